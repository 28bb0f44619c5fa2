-- Times are seconds since 1970 where nothing else is said.

CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
);

-- A generation begins when the database is made, restored or copied.
CREATE TABLE generations (
	number  BIGINT PRIMARY KEY,
	started BIGINT NOT NULL,
	reason  TEXT NOT NULL,
	floor   BIGINT NOT NULL -- numbers of sequences begin above it
);

CREATE TABLE clients (
	name   TEXT PRIMARY KEY,
	record BYTEA NOT NULL
);

CREATE TABLE resource_servers (
	name   TEXT PRIMARY KEY,
	record BYTEA NOT NULL -- with the secret of its token key
);

CREATE TABLE audiences (
	audience TEXT NOT NULL,
	server   TEXT NOT NULL REFERENCES resource_servers (name) ON DELETE CASCADE,
	PRIMARY KEY (audience, server)
);
CREATE INDEX audiences_server ON audiences (server);

-- Provisioned security contexts (RFC 8613, Section 3).
CREATE TABLE oscore_contexts (
	name          TEXT PRIMARY KEY,
	subject       TEXT NOT NULL, -- name of the client or resource server
	master_secret BYTEA NOT NULL,
	master_salt   BYTEA,
	id_context    BYTEA,
	sender_id     BYTEA NOT NULL,
	recipient_id  BYTEA NOT NULL,
	aead          BIGINT NOT NULL,
	hkdf          BIGINT NOT NULL,
	b2            BIGINT NOT NULL
);
CREATE INDEX oscore_contexts_recipient ON oscore_contexts (recipient_id);
CREATE INDEX oscore_contexts_subject ON oscore_contexts (subject);

-- One row for each ID under each key material, for ever.
CREATE TABLE key_uses (
	fingerprint BYTEA PRIMARY KEY,
	context     TEXT NOT NULL
);

-- Sender Sequence Numbers (RFC 8613, Appendix B.1.1), also of contexts that are gone.
CREATE TABLE sender_sequences (
	context    TEXT PRIMARY KEY,
	generation BIGINT NOT NULL,
	next       BIGINT NOT NULL
);

-- Numbers in token identifiers, and of tokens with exi.
CREATE TABLE sequences (
	name TEXT PRIMARY KEY,
	last BIGINT NOT NULL
);

CREATE TABLE tokens (
	cti        BYTEA PRIMARY KEY,
	hash       BYTEA NOT NULL UNIQUE,
	number     BIGINT NOT NULL UNIQUE, -- seq of its audit event
	client     TEXT NOT NULL,
	audience   TEXT NOT NULL,
	servers    BYTEA NOT NULL, -- CBOR array of names
	key_id     BYTEA NOT NULL,
	key_use    BIGINT NOT NULL,
	scope      BYTEA NOT NULL, -- CBOR
	profile    BIGINT NOT NULL,
	issued     BIGINT NOT NULL,
	expires    BIGINT NOT NULL,
	expires_in BIGINT NOT NULL,
	ended      BIGINT NOT NULL -- seq of the audit event that superseded or revoked it, 0: none
);
CREATE INDEX tokens_key ON tokens (key_id, client, number);
CREATE INDEX tokens_issued ON tokens (issued);

-- What the allocators of identifiers hold.
CREATE TABLE id_holdings (
	endpoint   TEXT NOT NULL,
	id         BYTEA NOT NULL,
	state      BIGINT NOT NULL,
	source     BIGINT NOT NULL,
	ref        TEXT NOT NULL,
	not_before BIGINT NOT NULL, -- 0: none
	PRIMARY KEY (endpoint, id)
);

-- Events are only added. Each hash is over the one before and the event.
CREATE TABLE audit (
	seq     BIGINT PRIMARY KEY,
	at      BIGINT NOT NULL, -- microseconds since 1970
	kind    TEXT NOT NULL,
	actor   TEXT NOT NULL,
	subject TEXT NOT NULL,
	detail  TEXT NOT NULL, -- JSON object of texts
	hash    BYTEA NOT NULL
);
CREATE TABLE audit_head (
	id   BIGINT PRIMARY KEY,
	seq  BIGINT NOT NULL,
	hash BYTEA NOT NULL
);

-- The subject of a security context is a client (0) or a resource server (1): both
-- may have one name.

ALTER TABLE oscore_contexts ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
UPDATE oscore_contexts SET kind = 1 WHERE subject NOT IN (SELECT name FROM clients);

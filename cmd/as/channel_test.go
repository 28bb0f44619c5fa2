package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/acecoap"
	"github.com/ostiary/ostiary/ace/as"
	"github.com/ostiary/ostiary/cmd/internal/credentials"
	"github.com/ostiary/ostiary/coap"
)

// registerServer registers a resource server that may ask about its tokens.
func (w *edhocWorld) registerServer(name string, level as.Introspection) *credentials.ResourceServer {
	w.t.Helper()
	r, err := addResourceServer(w.t.Context(), w.a.store, w.a.cfg, w.keys, newResourceServer{
		name: name, algorithm: "AES-CCM-16-64-128", introspection: level, key: newKey{fresh: true},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// channel is a protected channel of a device with the server.
func (w *edhocWorld) channel(key *credentials.EDHOC) coap.Doer {
	w.t.Helper()
	d, err := w.handshake(&credentials.Client{AS: w.a.cfg.URI, EDHOC: key}, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func post(t *testing.T, d coap.Doer, path string, payload []byte) *coap.Response {
	t.Helper()
	r := coap.NewRequest(coap.POST, path)
	r.Options.SetUint(coap.ContentFormat, uint32(ace.ContentFormat))
	r.Payload = payload
	response, err := d.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func errorCode(t *testing.T, r *coap.Response) ace.ErrorCode {
	t.Helper()
	if len(r.Payload) == 0 {
		return 0
	}
	e, err := ace.ParseErrorResponse(r.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return e.Code
}

// permitAll lets everybody have every scope.
func (w *edhocWorld) permitAll() {
	w.t.Helper()
	path := filepath.Join(filepath.Dir(w.a.path), w.a.cfg.Policy)
	if err := os.WriteFile(path, []byte("permit (principal, action, resource);"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := w.a.loadPolicy(); err != nil {
		w.t.Fatal(err)
	}
}

// TestIntrospectionChannel: a resource server learns the claims of its tokens over
// EDHOC, until they are revoked; and its registration without the right, or its
// removal, ends that.
func TestIntrospectionChannel(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	w.permitAll()
	sensor, lock := w.registerServer("sensor", as.WithClaims), w.registerServer("lock", as.ActiveOnly)
	if !sensor.Opaque() || lock.Opaque() || sensor.Introspection != "coap://192.0.2.2/introspect" {
		t.Errorf("files: %+v, %+v", sensor, lock)
	}
	alice := w.channel(w.register("alice").EDHOC)
	token := func(audience string) *ace.TokenResponse {
		t.Helper()
		scope := ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET}})
		response := post(t, alice, "/token", (&ace.TokenRequest{Audience: audience, Scope: scope}).Append(nil))
		answer, err := ace.ParseTokenResponse(response.Payload)
		if err != nil {
			t.Fatal(response.Code, err)
		}
		return answer
	}
	opaque, readable := token("sensor"), token("lock")
	channels := map[string]coap.Doer{"sensor": w.channel(sensor.EDHOC), "lock": w.channel(lock.EDHOC)}
	ask := func(who string, token []byte) *ace.IntrospectionResponse {
		t.Helper()
		r, err := acecoap.Introspector("coap://as.example", channels[who], acecoap.IntrospectionConfig{}).Ask(token)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	got := ask("sensor", opaque.AccessToken)
	if !got.Active || !bytes.Equal(got.Cnf.OSCORE.MasterSecret, opaque.Cnf.OSCORE.MasterSecret) || got.Issuer != "coap://as.example" {
		t.Errorf("claims of an opaque token: %+v", got)
	}
	if got := ask("lock", readable.AccessToken); !got.Active || got.Cnf != nil {
		t.Errorf("of a token that the resource server can read: %+v, want active alone", got)
	}
	for who, token := range map[string][]byte{"sensor": readable.AccessToken, "lock": opaque.AccessToken} {
		if ask(who, token).Active {
			t.Errorf("%s learns of a token of another", who)
		}
	}
	if err := w.a.store.Admin("test").RevokeToken(t.Context(), got.CWTID); err != nil {
		t.Fatal(err)
	}
	if ask("sensor", opaque.AccessToken).Active {
		t.Error("a revoked token is active")
	}
	if err := w.a.store.Admin("test").RemoveResourceServer(t.Context(), "sensor"); err != nil {
		t.Fatal(err)
	}
	w.sync()
	if w.alive(channels["sensor"]) {
		t.Error("the channel of a removed resource server works")
	}
}

// TestIntrospectionLog: who was refused, and why, stands in the log; and no key of what
// was answered.
func TestIntrospectionLog(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	w.permitAll()
	sensor, lock, alice := w.registerServer("sensor", as.WithClaims), w.registerServer("lock", as.NoIntrospection), w.register("alice")
	asAlice := w.channel(alice.EDHOC)
	scope := ace.AIFScope(ace.AIF{{Path: "/value", Methods: ace.GET}})
	answer, err := ace.ParseTokenResponse(post(t, asAlice, "/token", (&ace.TokenRequest{Audience: "sensor", Scope: scope}).Append(nil)).Payload)
	if err != nil {
		t.Fatal(err)
	}
	question := (&ace.IntrospectionRequest{Token: answer.AccessToken}).Append(nil)
	for _, c := range []struct {
		who     string
		key     *credentials.EDHOC
		payload []byte
		want    string
	}{
		{"client", alice.EDHOC, question, `level=INFO msg="introspection refused" client=alice code=forbidden section="RFC 9200, Section 5.9.3"`},
		{"without the right", lock.EDHOC, question, `msg="introspection refused" client="resource server lock" code=forbidden`},
		{"malformed", sensor.EDHOC, []byte{0xff}, `msg="introspection refused" client="resource server sensor" code=invalid_request`},
		{"answered", sensor.EDHOC, question, `level=DEBUG msg=introspection client="resource server sensor"`},
	} {
		d := w.channel(c.key)
		var logged bytes.Buffer
		w.a.log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		post(t, d, "/introspect", c.payload)
		w.a.log = slog.New(slog.DiscardHandler)
		if !strings.Contains(logged.String(), c.want) {
			t.Errorf("%s: got %s, want %s", c.who, logged.String(), c.want)
		}
		for _, secret := range [][]byte{answer.Cnf.OSCORE.MasterSecret, answer.AccessToken} {
			if strings.Contains(logged.String(), hexText(secret)) {
				t.Errorf("%s: a secret or a token is logged", c.who)
			}
		}
	}
	var logged bytes.Buffer
	w.a.log = slog.New(slog.NewTextHandler(&logged, nil))
	w.a.observeIntrospection(as.ResourceServerSubject("sensor"), &as.Error{Code: ace.InternalServerError, Reason: "look token up"})
	if want := `level=ERROR msg="introspection failed" client="resource server sensor"`; !strings.Contains(logged.String(), want) {
		t.Errorf("got %s, want %s", logged.String(), want)
	}
}

// TestKindsAreNotConfused: a resource server is not the client with its name, and the
// client not the resource server, in whatever order they are registered and come.
func TestKindsAreNotConfused(t *testing.T) {
	w := newEDHOCWorld(t, nil)
	w.permitAll()
	server, client := w.registerServer("pump", as.WithClaims), w.register("pump")
	asServer, asClient := w.channel(server.EDHOC), w.channel(client.EDHOC)
	scope := ace.AIFScope(ace.AIF{{Path: "/a", Methods: ace.GET}})
	request := (&ace.TokenRequest{Audience: "pump", Scope: scope}).Append(nil)
	question := (&ace.IntrospectionRequest{Token: []byte("token")}).Append(nil)
	for _, c := range []struct {
		name    string
		channel coap.Doer
		path    string
		payload []byte
		want    coap.Code
		oauth   ace.ErrorCode
	}{
		{"client for a token", asClient, "/token", request, coap.Created, 0},
		{"client for introspection", asClient, "/introspect", question, coap.Forbidden, 0},
		{"resource server for introspection", asServer, "/introspect", question, coap.Created, 0},
		{"resource server for a token", asServer, "/token", request, coap.BadRequest, ace.UnauthorizedClient},
	} {
		response := post(t, c.channel, c.path, c.payload)
		if response.Code != c.want || response.Code != coap.Created && errorCode(t, response) != c.oauth {
			t.Errorf("%s: got %v %x, want %v %v", c.name, response.Code, response.Payload, c.want, c.oauth)
		}
	}
	// The end of one is not that of the other.
	w.remove("pump")
	w.sync()
	if w.alive(asClient) || !w.alive(asServer) {
		t.Error("the client was removed: want its channel ended, and that of the resource server not")
	}
	if response := post(t, asServer, "/token", request); errorCode(t, response) != ace.UnauthorizedClient {
		t.Errorf("resource server for a token, without the client: %v %x", response.Code, response.Payload)
	}
}

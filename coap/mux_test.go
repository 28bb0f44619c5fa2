package coap_test

import (
	"context"
	"testing"

	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/coap/coaptest"
)

func answer(text string) coap.HandlerFunc {
	return func(w coap.ResponseWriter, r *coap.Request) {
		resp := r.NewResponse(coap.Content)
		resp.Payload = []byte(text)
		_ = w.Respond(resp)
	}
}

func TestMux(t *testing.T) {
	var mux coap.Mux
	mux.Handle("/token", answer("token"))
	mux.Handle("GET /temp", answer("get temp"))
	mux.Handle("FETCH /temp", answer("fetch temp"))
	mux.Handle("/devices/", answer("below"))
	mux.Handle("/devices/1", answer("one"))
	mux.Handle("/", answer("root"))
	d := &coaptest.Direct{Handler: &mux}
	for _, tt := range []struct {
		method coap.Code
		path   string
		code   coap.Code
		body   string
	}{
		{coap.POST, "/token", coap.Content, "token"},
		{coap.GET, "/temp", coap.Content, "get temp"},
		{coap.FETCH, "/temp", coap.Content, "fetch temp"},
		{coap.PUT, "/temp", coap.MethodNotAllowed, ""},
		{0x1f, "/temp", coap.MethodNotAllowed, ""},
		{0x1f, "/token", coap.MethodNotAllowed, ""},
		{coap.GET, "/devices", coap.Content, "below"},
		{coap.GET, "/devices/2/x", coap.Content, "below"},
		{coap.GET, "/devices/1", coap.Content, "one"},
		{coap.GET, "/", coap.Content, "root"},
		{coap.GET, "/none", coap.NotFound, ""},
		{coap.GET, "/devicesx", coap.NotFound, ""},
		{coap.GET, "/devices%2F1", coap.NotFound, ""},
	} {
		//spec:7252-5.8-1
		resp, err := d.Do(context.Background(), coap.NewRequest(tt.method, tt.path))
		if err != nil || resp.Code != tt.code || string(resp.Payload) != tt.body {
			t.Errorf("%v %s: got %v %q (%v), want %v %q", tt.method, tt.path, resp.Code, resp.Payload, err, tt.code, tt.body)
		}
	}
}

func TestWellKnownCore(t *testing.T) {
	var mux coap.Mux
	mux.Describe("/sensors/temp", coap.Attribute{Name: "rt", Value: "temperature-c outdoor"}, coap.Attribute{Name: "ct", Value: "50"}, coap.Attribute{Name: "obs"})
	mux.Describe("/authz-info", coap.Attribute{Name: "rt", Value: "ace.ai"})
	d := &coaptest.Direct{Handler: &mux}
	const temp, authz = `</sensors/temp>;rt="temperature-c outdoor";ct=50;obs`, `</authz-info>;rt="ace.ai"`
	for query, want := range map[string]string{
		"":                             temp + "," + authz,
		"?rt=ace.ai":                   authz,
		"?rt=outdoor":                  temp,
		"?rt=temp*":                    temp,
		"?rt=temperature-c%20outdoor*": "",
		"?rt=temp":                     "",
		"?rt=door*":                    "",
		"?href=/sensors*":              temp,
		"?href=/authz-info":            authz,
		"?obs":                         temp,
		"?ct=50&rt=outdoor":            temp,
		"?title=x":                     "",
	} {
		//spec:6690-4-1
		//spec:6690-4-2
		//spec:6690-4.1-1
		resp, err := d.Do(context.Background(), coap.NewRequest(coap.GET, "/.well-known/core"+query))
		if err != nil || resp.Code != coap.Content || string(resp.Payload) != want {
			t.Errorf("%s: got %v %q (%v), want %q", query, resp.Code, resp.Payload, err, want)
		}
		if f, _ := resp.Options.Uint(coap.ContentFormat); f != 40 {
			t.Errorf("Content-Format: got %d, want 40", f)
		}
	}
	r := coap.NewRequest(coap.GET, "/.well-known/core")
	r.Options.AddUint(coap.Accept, 50)
	//spec:7252-5.10.4-1
	if resp, _ := d.Do(context.Background(), r); resp.Code != coap.NotAcceptable {
		t.Errorf("Accept: got %v, want 4.06", resp.Code)
	}
	//spec:6690-4.1-3
	r = coap.NewRequest(coap.GET, "/.well-known/core?rt=nothing")
	r.Multicast = true
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if resp, err := d.Do(ctx, r); err == nil {
		t.Errorf("multicast without a match: got %v, want silence", resp.Code)
	}
}

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/ace"
	"github.com/ostiary/ostiary/ace/oscoreprofile"
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/test/interop"
)

func load(t *testing.T, name string) *interop.Transcript {
	t.Helper()
	tr, err := interop.Load(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func loadPeer(t *testing.T) *interop.Peer {
	t.Helper()
	p, err := interop.LoadJSON[interop.Peer]("expect.json")
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// recorded returns the runs of expect.json that have transcripts.
func recorded(t *testing.T) []interop.Run {
	t.Helper()
	return slices.DeleteFunc(loadPeer(t).Runs, func(r interop.Run) bool { return new(suite).plain()[r.Name] != nil })
}

// TestReplay replays what was recorded with Californium.
func TestReplay(t *testing.T) {
	for _, r := range recorded(t) {
		t.Run(r.Name, func(t *testing.T) {
			if err := load(t, r.Name).Replay(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplayHasEveryCase: no case is without messages that were verified.
func TestReplayHasEveryCase(t *testing.T) {
	for _, r := range recorded(t) {
		if new(suite).recorded()[r.Name] == nil {
			t.Errorf("expect.json has a run %q, which there is not", r.Name)
		}
		inside := map[string]map[string]int{}
		for _, d := range load(t, r.Name).Datagrams {
			if d.Inner != nil {
				if inside[d.Case] == nil {
					inside[d.Case] = map[string]int{}
				}
				inside[d.Case][d.From]++
			}
		}
		for _, c := range r.Cases {
			if n := inside[c.Name]; c.Skip == "" && (n[interop.FromClient] == 0 || n[interop.FromServer] == 0) {
				t.Errorf("%s, %s: %v protected messages, want some of both", r.Name, c.Name, n)
			}
		}
	}
}

// TestReplayNotices: whatever is changed in a recording makes the replay fail.
func TestReplayNotices(t *testing.T) {
	for name, change := range map[string]func(tr *interop.Transcript){
		"Master Secret": func(tr *interop.Transcript) { tr.Context.MasterSecret[0] ^= 1 },
		"Master Salt":   func(tr *interop.Transcript) { tr.Context.MasterSalt[0] ^= 1 },
		"ID Context":    func(tr *interop.Transcript) { tr.Context.IDContext = []byte{1} },
		"Sender ID":     func(tr *interop.Transcript) { tr.Context.SenderID = []byte{0x70} },
		"Recipient ID":  func(tr *interop.Transcript) { tr.Context.RecipientID = []byte{0x70} },
	} {
		for run := range new(suite).recorded() {
			tr := load(t, run)
			change(tr)
			if tr.Replay() == nil {
				t.Errorf("%s: another %s was not noticed", run, name)
			}
		}
	}
	tr := load(t, "client-of-library")
	tr.ServerRandom[8] ^= 1 // K_HMAC begins here
	if tr.Replay() == nil {
		t.Error("another K_HMAC was not noticed")
	}
	for run := range new(suite).recorded() {
		for i, d := range load(t, run).Datagrams {
			if d.Inner == nil {
				continue
			}
			for name, change := range map[string]func(d *interop.Datagram){
				"ciphertext":   func(d *interop.Datagram) { d.Bytes[len(d.Bytes)-1] ^= 1 },
				"code inside":  func(d *interop.Datagram) { d.Inner.Code = "7.31" },
				"payload":      func(d *interop.Datagram) { d.Inner.Payload = append(d.Inner.Payload, 1) },
				"extra option": func(d *interop.Datagram) { d.Inner.Options = append(d.Inner.Options, interop.Option{Number: 2048}) },
			} {
				tr := load(t, run)
				tr.Datagrams = tr.Datagrams[:i+1]
				change(&tr.Datagrams[i])
				if tr.Replay() == nil {
					t.Errorf("%s, datagram %d: another %s was not noticed", run, i, name)
				}
			}
		}
	}
}

// TestReplayAuthzInfo derives the context of the recorded exchange at authz-info
// (RFC 9203, Section 4.3).
func TestReplayAuthzInfo(t *testing.T) {
	tr := load(t, "client-of-agent")
	material, err := ace.ParseOSCOREInputMaterial(tr.Material)
	if err != nil {
		t.Fatal(err)
	}
	request, response, err := authzInfo(tr)
	if err != nil {
		t.Fatal(err)
	}
	p, err := oscoreprofile.Derive(material, oscoreprofile.Exchange{
		Nonce1: request.Nonce1, ClientRecipientID: request.ClientRecipientID,
		Nonce2: response.Nonce2, ServerRecipientID: response.ServerRecipientID,
	}, oscoreprofile.Client)
	if err != nil {
		t.Fatal(err)
	}
	got, want := interop.NewContext(&p), tr.Context
	for name, pair := range map[string][2][]byte{
		"Master Secret": {got.MasterSecret, want.MasterSecret},
		"Master Salt":   {got.MasterSalt, want.MasterSalt},
		"ID Context":    {got.IDContext, want.IDContext},
		"Sender ID":     {got.SenderID, want.SenderID},
		"Recipient ID":  {got.RecipientID, want.RecipientID},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s = %x, want %x", name, pair[0], pair[1])
		}
	}
}

// authzInfo finds the exchange at authz-info.
func authzInfo(tr *interop.Transcript) (*ace.AuthzInfoRequest, *ace.AuthzInfoResponse, error) {
	var request *ace.AuthzInfoRequest
	for i := range tr.Datagrams {
		code, payload, err := tr.Datagrams[i].Plain()
		switch {
		case err != nil:
			return nil, nil, err
		case coap.Code(code) == coap.POST && request == nil:
			if request, err = ace.ParseAuthzInfoRequest(payload); err != nil {
				return nil, nil, err
			}
		case coap.Code(code) == coap.Created:
			response, err := ace.ParseAuthzInfoResponse(payload)
			return request, response, err
		}
	}
	return nil, nil, errors.New("there is none")
}

// TestSave: what is saved is what was loaded.
func TestSave(t *testing.T) {
	for run := range new(suite).recorded() {
		path := filepath.Join(t.TempDir(), "again.json")
		if err := load(t, run).Save(path); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", run+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: saved again it is another text", run)
		}
	}
}

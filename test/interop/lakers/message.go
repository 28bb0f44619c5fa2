package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary/edhoc"
	"github.com/ostiary/ostiary/internal/vector"
)

// request asks lakers for a step; see peer.py.
type request struct {
	Do      string     `json:"do"`
	Message vector.Hex `json:"message,omitempty"`
	C       vector.Hex `json:"c,omitempty"` // connection identifier of lakers
	ByValue bool       `json:"by_value,omitempty"`
	EAD     []eadItem  `json:"ead,omitempty"`
	Trusted vector.Hex `json:"trusted,omitempty"`
	Label   uint16     `json:"label,omitempty"`
	Context vector.Hex `json:"context,omitempty"`
	Length  int        `json:"length,omitempty"`
}

// answer is what lakers gives for a request.
type answer struct {
	Message  vector.Hex `json:"message"`
	C        vector.Hex `json:"c"` // our connection identifier
	IDCred   vector.Hex `json:"id_cred"`
	EAD      []eadItem  `json:"ead"`
	Exported vector.Hex `json:"exported"`
	Refused  string     `json:"refused"` // the error of EDHOC
	Failed   string     `json:"failed"`  // another error
}

// eadItem is an edhoc.EADItem in JSON.
type eadItem struct {
	Label    int64       `json:"label"`
	Critical bool        `json:"critical"`
	Value    *vector.Hex `json:"value"`
}

func toJSON(items []edhoc.EADItem) (list []eadItem) {
	for _, it := range items {
		item := eadItem{Label: it.Label, Critical: it.Critical}
		if it.Value != nil {
			value := vector.Hex(it.Value)
			item.Value = &value
		}
		list = append(list, item)
	}
	return list
}

func fromJSON(list []eadItem) (items []edhoc.EADItem) {
	for _, item := range list {
		it := edhoc.EADItem{Label: item.Label, Critical: item.Critical}
		if item.Value != nil {
			it.Value = *item.Value
		}
		items = append(items, it)
	}
	return items
}

// wantEAD compares EAD items, in their order.
func wantEAD(message int, got, want []edhoc.EADItem) error {
	if !slices.EqualFunc(got, want, func(a, b edhoc.EADItem) bool {
		return a.Label == b.Label && a.Critical == b.Critical && (a.Value == nil) == (b.Value == nil) && bytes.Equal(a.Value, b.Value)
	}) {
		return fmt.Errorf("EAD_%d is %v, want %v", message, got, want)
	}
	return nil
}

// want compares byte strings.
func want(what string, got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is %x, want %x", what, got, want)
	}
	return nil
}

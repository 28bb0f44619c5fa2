package main

import (
	"testing"

	"github.com/ostiary/ostiary/cmd/internal/scripttest"
)

// TestScripts runs the commands as the owner of a device does.
func TestScripts(t *testing.T) {
	scripttest.Run(t, map[string]string{"ostiary-as": "../as", "ostiary-rs-agent": "."})
}

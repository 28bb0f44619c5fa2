package main

import (
	"testing"

	"github.com/ostiary/ostiary/cmd/internal/scripttest"
)

// TestScripts runs the commands as an operator does.
func TestScripts(t *testing.T) {
	scripttest.Run(t, map[string]string{"ostiary-as": ".", "ostiary-rs-agent": "../rs-agent"})
}

// Command ostiary-as is an authorization server for constrained devices:
// ACE-OAuth (RFC 9200) with the OSCORE profile (RFC 9203), over CoAP.
package main

import (
	"os"

	"github.com/ostiary/ostiary/cmd/internal/cli"
)

const (
	name        = "ostiary-as"
	description = `An authorization server for constrained devices: ACE-OAuth (RFC 9200) with the OSCORE profile (RFC 9203).

First steps:

  ostiary-as demo                  see the whole exchange on loopback
  ostiary-as init DIR              write a configuration, a policy and a store
  ostiary-as rs add NAME ...       register a resource server, and write its credentials
  ostiary-as client add NAME ...   register a client, and write its credentials
  ostiary-as serve                 answer requests for tokens

Exit status: 0 done, 1 failed, 2 wrong command line or configuration.`
)

// commands is the grammar of the command line.
type commands struct {
	Init    initCommand    `cmd:"" help:"Write a configuration, a policy and an empty store into a new folder."`
	Serve   serveCommand   `cmd:"" help:"Run the authorization server."`
	Demo    demoCommand    `cmd:"" help:"Run the whole exchange on loopback and show every message."`
	Client  clientCommand  `cmd:"" help:"Register, list and remove clients."`
	RS      rsCommand      `cmd:"" name:"rs" help:"Register, list and remove resource servers."`
	Config  configCommand  `cmd:"" help:"Check the configuration."`
	Backup  backupCommand  `cmd:"" help:"Write a consistent copy of the store, also while the server runs."`
	Audit   auditCommand   `cmd:"" help:"Verify the chain of the audit log."`
	Request requestCommand `cmd:"" help:"Be a client: get a token, upload it, and send one protected request."`
	EDHOC   edhocCommand   `cmd:"" name:"edhoc" help:"Be a client, or the server to a resource server: run an EDHOC handshake and show the session."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(cli.Run(name, description, &commands{}, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr}))
}

// configFlag names the configuration file in the commands that need it.
type configFlag struct {
	Config string `help:"Configuration file; default ${default}." short:"c" default:"as.toml" env:"OSTIARY_AS_CONFIG" placeholder:"FILE"`
}

// Command ostiary-rs-agent stands in front of a CoAP server that cannot be
// changed and protects it by ACE (RFC 9200) and OSCORE (RFC 8613).
package main

import (
	"os"

	"github.com/ostiary/ostiary/cmd/internal/cli"
)

const (
	name        = "ostiary-rs-agent"
	description = `Protects a CoAP server that cannot be changed: takes access tokens (RFC 9200, RFC 9203) and OSCORE
requests (RFC 8613) from clients, and passes on in clear what their tokens allow.

First steps:

  ostiary-as rs add sensor              on the authorization server: writes sensor.rs.toml
  ostiary-rs-agent init DIR             write a configuration beside it
  ostiary-rs-agent serve --config FILE  run
  ostiary-rs-agent peer add NAME        trust a client by its key in EDHOC (RFC 9528), without tokens

Between agent and server nothing is protected: run the agent on the same host or on a link that nobody else can use.

Exit status: 0 done, 1 failed, 2 wrong command line or configuration.`
)

// commands is the grammar of the command line.
type commands struct {
	Init    initCommand    `cmd:"" help:"Write a configuration into a folder."`
	Serve   serveCommand   `cmd:"" help:"Run the agent."`
	Config  configCommand  `cmd:"" help:"Check the configuration, or make what it names."`
	Peer    peerCommand    `cmd:"" help:"Say who may run EDHOC with the agent, and what they may do."`
	Sample  sampleCommand  `cmd:"" help:"Run an unprotected sample device to try the agent with."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(cli.Run(name, description, &commands{}, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr}))
}

// configFlag names the configuration file in the commands that need it.
type configFlag struct {
	Config string `help:"Configuration file; default ${default}." short:"c" default:"agent.toml" env:"OSTIARY_RS_AGENT_CONFIG" placeholder:"FILE"`
}

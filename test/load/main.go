// Command load measures the project under load and prints one line of JSON
// for each measurement.
//
//	go run ./test/load echo      requests/s of an echo over UDP on loopback
//	go run ./test/load edhoc     handshakes/s of a responder over UDP on loopback
//	go run ./test/load flood     latency of a well-behaved peer under a flood
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/ostiary/ostiary/test/load/loadcoap"
	"github.com/ostiary/ostiary/test/load/loadedhoc"
	"github.com/ostiary/ostiary/test/load/loadflood"
)

// A command measures one thing as its flags say.
type command struct {
	name string
	help string
	run  func(args []string) (result any, err error)
}

var commands = []command{
	{"echo", "requests/s of an echo over UDP on loopback: bare, go-coap, coap, coap with OSCORE", loadcoap.EchoCommand},
	{"edhoc", "handshakes/s of one EDHOC responder over UDP on loopback, and what bounds them", loadedhoc.Command},
	{"flood", "latency of a well-behaved peer: alone, under a flood, beside a peer with slow requests", loadflood.Command},
}

func main() {
	if len(os.Args) >= 2 {
		for _, c := range commands {
			if c.name == os.Args[1] {
				os.Exit(measure(c, os.Args[2:]))
			}
		}
	}
	fmt.Fprintln(os.Stderr, "usage: load COMMAND [flags]; -h after a command lists its flags")
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-8s %s\n", c.name, c.help)
	}
	os.Exit(2)
}

func measure(c command, args []string) (status int) {
	result, err := c.run(args)
	var line []byte
	if err == nil {
		line, err = json.Marshal(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		return 1
	}
	fmt.Println(string(line))
	return 0
}

// Command load measures the project under load and prints one line of JSON
// for each measurement.
//
//	go run ./test/load echo      requests/s of an echo over UDP on loopback
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/ostiary/ostiary/test/load/loadcoap"
)

func main() {
	if len(os.Args) < 2 || os.Args[1] != "echo" {
		fmt.Fprintln(os.Stderr, "usage: load echo [-rounds n] [-slice d] [-payload n]")
		os.Exit(2)
	}
	var cfg loadcoap.EchoConfig
	flags := flag.NewFlagSet("echo", flag.ExitOnError)
	flags.IntVar(&cfg.Rounds, "rounds", 10, "how often each server has its turn")
	flags.DurationVar(&cfg.Slice, "slice", 300*time.Millisecond, "how long a turn is")
	flags.IntVar(&cfg.Payload, "payload", 30, "bytes of payload")
	_ = flags.Parse(os.Args[2:]) // exits on errors
	result, err := loadcoap.Echo(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	line, err := json.Marshal(result)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	fmt.Println(string(line))
}

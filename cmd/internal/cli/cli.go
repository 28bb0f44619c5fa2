// Package cli holds what the commands share: parsing of the command line, exit
// codes, logging and signals.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes of all commands.
const (
	ExitOK      = 0
	ExitFailure = 1 // it was tried and did not work
	ExitUsage   = 2 // the command line or the configuration is wrong
)

// A UsageError is the caller's mistake: in the command line or in a file that
// it names.
type UsageError struct{ Err error }

// Error implements error.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Usage marks err as the caller's mistake; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &UsageError{err}
}

// Streams are where a command writes: results to Out, everything else to Err.
type Streams struct{ Out, Err io.Writer }

// Run parses args into grammar, a kong grammar, and runs the chosen command,
// whose Run method gets a context that ends with SIGINT or SIGTERM, and the
// Streams. It returns the exit code; --help ends the process.
func Run(name, description string, grammar any, args []string, s Streams) int {
	parser, err := kong.New(grammar,
		kong.Name(name),
		kong.Description(description),
		kong.Writers(s.Out, s.Err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"version": Version()},
	)
	if err != nil {
		panic(err) // invariant: the grammar is a constant of the program
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.Err, "%s: %v\nTry '%s --help'.\n", name, err, name)
		return ExitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	command.BindTo(ctx, (*context.Context)(nil))
	command.Bind(s)
	return Report(name, s.Err, command.Run())
}

// Report prints err, if any, and returns the exit code for it.
func Report(name string, w io.Writer, err error) int {
	var usage *UsageError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage):
		fmt.Fprintf(w, "%s: %v\n", name, err)
		return ExitUsage
	default:
		fmt.Fprintf(w, "%s: %v\n", name, err)
		return ExitFailure
	}
}

// Version is the module's version, as far as the build knows it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// Logger returns the logger of a daemon. level is debug, info, warn or error;
// format is text or json.
func Logger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log.level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log.format %q: want text or json", format)
}

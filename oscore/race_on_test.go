//go:build race

package oscore

// raceEnabled says that allocations are not ours alone.
const raceEnabled = true

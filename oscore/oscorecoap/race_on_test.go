//go:build race

package oscorecoap_test

// raceEnabled says that allocations are not ours alone.
const raceEnabled = true

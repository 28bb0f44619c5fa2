//go:build !race

package oscorecoap_test

const raceEnabled = false

//go:build !race

package oscore

const raceEnabled = false

package oscore

import (
	"encoding/binary"
	"runtime"
	"testing"
)

// TestIdleMemory measures what a server keeps of a peer that is idle, in the table and
// with everything that hangs on it.
func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps its own books")
	}
	const n = 10_000
	var table Contexts
	heap := func() uint64 {
		var m runtime.MemStats
		for range 3 {
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range uint32(n) {
		id := binary.BigEndian.AppendUint32(nil, i)
		mustAdd(t, &table, mustAssociation(t, Config{Params: Params{
			MasterSecret: append([]byte("0123456789abcdef"), id...), RecipientID: id[1:], SenderID: nil,
		}}))
	}
	inUse := (heap() - before) / n
	table.Compact()
	table.Compact()
	idle := (heap() - before) / n
	t.Logf("%d bytes for a peer in use, %d for an idle one", inUse, idle)
	if idle > 420 {
		t.Errorf("%d bytes for an idle peer, want 420 or fewer", idle)
	}
	if table.Len() != n {
		t.Errorf("Len = %d", table.Len())
	}
}

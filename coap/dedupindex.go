package coap

// An entryIndex finds the entries of a dedup by their keys: a hash table with
// open addressing. A slot has the upper half of the key, which says where it
// belongs, and the number of the entry; 0 is an empty one. So a look into it
// touches one line of memory, and an entry only if it is the one. The keys are
// keyed hashes: nobody can choose them.
type entryIndex struct {
	slots []uint64 // a power of two, of which at most half are used
	n     int
}

func slotOf(key uint64, at uint32) uint64 { return key>>32<<32 | usedBit | uint64(at) }

// find returns where the entry with a key is.
func (d *dedup) find(key uint64) (at uint32, ok bool) {
	x := &d.index
	if x.n == 0 {
		return 0, false
	}
	mask := uint64(len(x.slots) - 1)
	for i := key >> 32 & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if s := x.slots[i]; s>>32 == key>>32 {
			if at := uint32(s) &^ usedBit; d.entry(at).key == key {
				return at, true
			}
		}
	}
	return 0, false
}

// insert enters an entry. One with the same key, which has expired, is found no
// more.
func (d *dedup) insert(key uint64, at uint32) {
	x := &d.index
	if 2*(x.n+1) > len(x.slots) {
		x.grow()
	}
	mask := uint64(len(x.slots) - 1)
	i := key >> 32 & mask
	for ; x.slots[i] != 0; i = (i + 1) & mask {
		if s := x.slots[i]; s>>32 == key>>32 && d.entry(uint32(s)&^usedBit).key == key {
			x.slots[i] = slotOf(key, at)
			return
		}
	}
	x.slots[i] = slotOf(key, at)
	x.n++
}

// large reports whether the index is larger than it needs to be without a flood.
func (x *entryIndex) large() bool { return len(x.slots) > 8192 }

// remove takes an entry out, unless its key belongs to another by now.
func (x *entryIndex) remove(key uint64, at uint32) {
	mask := uint64(len(x.slots) - 1)
	i := key >> 32 & mask
	for x.slots[i] != slotOf(key, at) {
		if x.slots[i] == 0 {
			return
		}
		i = (i + 1) & mask
	}
	// Those behind move up, as far as to where they belong.
	for j := (i + 1) & mask; x.slots[j] != 0; j = (j + 1) & mask {
		if home := x.slots[j] >> 32 & mask; (j-home)&mask >= (j-i)&mask {
			x.slots[i], i = x.slots[j], j
		}
	}
	x.slots[i] = 0
	x.n--
}

// move changes the number of an entry, unless its key belongs to another by now.
func (x *entryIndex) move(key uint64, from, to uint32) {
	mask := uint64(len(x.slots) - 1)
	for i := key >> 32 & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if x.slots[i] == slotOf(key, from) {
			x.slots[i] = slotOf(key, to)
			return
		}
	}
}

func (x *entryIndex) grow() {
	old := x.slots
	x.slots = make([]uint64, max(128, 2*len(old)))
	mask := uint64(len(x.slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := s >> 32 & mask
		for x.slots[i] != 0 {
			i = (i + 1) & mask
		}
		x.slots[i] = s
	}
}

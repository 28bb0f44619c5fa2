package ace

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/internal/vector"
)

// table1 is RFC 9237, Table 1; table2 is Table 2.
var (
	table1 = AIF{{"/s/temp", GET}, {"/a/led", PUT | GET}, {"/dtls", POST}}
	table2 = AIF{{"/a/make-coffee", POST | (GET | DELETE).Dynamic()}}
)

func TestAIFFigures(t *testing.T) {
	figure5 := vector.Bytes(t, "83 82 67 2f732f74656d70 01 82 66 2f612f6c6564 05 82 65 2f64746c73 02")
	got, err := ParseAIF(figure5)
	if err != nil || !slices.Equal(got, table1) {
		t.Errorf("RFC 9237, figure 5: ParseAIF = %v, %v, want %v", got, err, table1)
	}
	reencoded(t, figure5, got)
	const figure3 = `[["/s/temp",1],["/a/led",5],["/dtls",2]]`
	if got := table1.String(); got != figure3 {
		t.Errorf("RFC 9237, figure 3: String = %s, want %s", got, figure3)
	}
	var fromJSON AIF
	if err := json.Unmarshal([]byte(figure3), &fromJSON); err != nil || !slices.Equal(fromJSON, table1) {
		t.Errorf("RFC 9237, figure 3: Unmarshal = %v, %v, want %v", fromJSON, err, table1)
	}
	// 2^1 + 2^32 + 2^35
	if got := uint64(table2[0].Methods); got != 2+1<<32+1<<35 {
		t.Errorf("RFC 9237, table 2: %d", got)
	}
	back, err := ParseAIF(table2.Append(nil))
	if err != nil || !slices.Equal(back, table2) {
		t.Errorf("table 2 comes back as %v, %v", back, err)
	}
}

// TestAIFSize accepts as many entries as there may be.
func TestAIFSize(t *testing.T) {
	var a AIF
	for i := range maxAIF + 1 {
		if _, err := ParseAIF(a.Append(nil)); err != nil {
			t.Errorf("%d entries: %v", len(a), err)
		}
		a = append(a, Permission{"/" + strings.Repeat("a", i), GET})
	}
	if _, err := ParseAIF(a.Append(nil)); err == nil {
		t.Errorf("%d entries are accepted", len(a))
	}
}

func TestMethods(t *testing.T) {
	want := []Methods{0, GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH, 0}
	for code, m := range want {
		if got := MethodOf(uint8(code)); got != m {
			t.Errorf("MethodOf(%d) = %d, want %d", code, got, m)
		}
	}
	if got := MethodOf(33); got != 0 { // Dynamic-GET is no method of a request
		t.Errorf("MethodOf(33) = %d, want 0", got)
	}
	all := GET | DELETE | IPATCH | (POST | PATCH).Dynamic()
	if got := all.OnCreated(); got != POST|PATCH {
		t.Errorf("OnCreated = %v, want POST,PATCH", got)
	}
	if got := all.Dynamic(); got != (GET | DELETE | IPATCH).Dynamic() {
		t.Errorf("Dynamic of dynamic permissions = %v", got)
	}
	const names = "GET,DELETE,iPATCH,Dynamic-POST,Dynamic-PATCH"
	if got := all.String(); got != names {
		t.Errorf("String = %s, want %s", got, names)
	}
	var sum Methods
	for m, name := range all.Each {
		if sum |= m; name == "DELETE" {
			break
		}
	}
	if sum != GET|DELETE {
		t.Errorf("Each until DELETE = %v", sum)
	}
}

// TestAIFIsAnAllowList: what is not in it is denied.
//
//spec:9237-2-1
//spec:9237-2.1-1
func TestAIFIsAnAllowList(t *testing.T) {
	for path, want := range map[string]Methods{"/s/temp": GET, "/a/led": GET | PUT, "/s": 0, "/s/temp/": 0, "/s/temp/1": 0, "": 0, "/S/temp": 0} {
		if got := table1.Of(path); got != want {
			t.Errorf("Of(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestAIFJSONMalformed(t *testing.T) {
	many := "[" + strings.TrimSuffix(strings.Repeat(`["/a",1],`, maxAIF+1), ",") + "]"
	for _, text := range []string{
		``, `{}`, `[1]`, `[[]]`, `[["/a"]]`, `[["/a",1,2]]`, `[["a",1]]`, `[["/a",-1]]`, `[["/a",1.5]]`, `[["/a","1"]]`,
		`[["/a",128]]`, `[["/a",1],["/a",2]]`, `[{"/a":1}]`, `[["/a",1]`, `[["/a",1]]]`, `[[1,"/a"]]`, `[["/a",18446744073709551616]]`, many,
	} {
		var a AIF
		if err := json.Unmarshal([]byte(text), &a); err == nil {
			t.Errorf("Unmarshal(%s) = %v", text, a)
		}
		if err := a.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("UnmarshalJSON(%s) = %v", text, a)
		}
	}
}



package deps

import (
	_ "filippo.io/nistec"
	_ "github.com/alecthomas/kong"
	_ "github.com/cedar-policy/cedar-go"
	_ "github.com/cloudflare/circl/dh/x25519"
	_ "github.com/cloudflare/circl/dh/x448"
	_ "github.com/cloudflare/circl/sign/ed448"
	_ "github.com/coder/websocket"
	_ "github.com/fxamacker/cbor/v2"
	_ "github.com/pelletier/go-toml/v2"
	_ "github.com/pion/dtls/v3"
	_ "github.com/plgd-dev/go-coap/v3"
	_ "github.com/plgd-dev/go-coap/v3/net"
	_ "github.com/plgd-dev/go-coap/v3/tcp"
	_ "github.com/plgd-dev/go-coap/v3/udp"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/veraison/go-cose"
	_ "go.uber.org/goleak"
	_ "golang.org/x/crypto/chacha20poly1305"
	_ "golang.org/x/net/ipv4"
	_ "golang.org/x/net/ipv6"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "modernc.org/sqlite"
	_ "pgregory.net/rapid"
)

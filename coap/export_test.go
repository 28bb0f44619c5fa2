package coap

// What ListenDTLS and DialDTLS do beside DTLS.
var (
	ListenSessions = listenSessions
	DialSession    = dialSession
)

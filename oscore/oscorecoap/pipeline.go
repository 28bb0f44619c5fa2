package oscorecoap

import (
	"github.com/ostiary/ostiary/coap"
	"github.com/ostiary/ostiary/oscore"
)

// A Server is the OSCORE layer of an endpoint: a coap.Handler. It is safe for
// concurrent use.
type Server struct {
	contexts     *oscore.Contexts
	protected    coap.Handler // behind inner block-wise transfer
	plain        coap.Handler
	fragmented   coap.Handler // outer block-wise transfer, and then pipeline
	cfg          Config
	answers      *answers
	throttle     *throttle
	observations *observations
}

// Handler returns the Server for the associations in contexts. A request
// inside OSCORE goes to protected, with the *oscore.Association as its
// Identity; one without OSCORE goes to plain, which serves only what may be
// done in clear, such as /authz-info. A nil plain refuses with 4.01; see also
// Plain.
func Handler(contexts *oscore.Contexts, protected, plain coap.Handler, cfg Config) *Server {
	cfg = cfg.withDefaults()
	if plain == nil {
		plain = Plain(nil)
	}
	s := &Server{
		contexts: contexts,
		//spec:8613-4.1.3.4.1-2
		protected:    checkOptions(cfg.Understands, coap.Blockwise(protected, cfg.Blockwise)),
		plain:        plain,
		cfg:          cfg,
		answers:      newAnswers(cfg.Answers, cfg.Now),
		observations: newObservations(cfg.Observations),
	}
	s.throttle = newThrottle(s.cfg.Throttle, &s.cfg.Observer)
	s.fragmented = coap.Blockwise(coap.HandlerFunc(s.pipeline), cfg.outer())
	return s
}

// ServeCOAP passes a request to the plain handler or to the pipeline.
func (s *Server) ServeCOAP(w coap.ResponseWriter, r *coap.Request) {
	switch {
	case !r.Options.Has(coap.OSCORE):
		s.plain.ServeCOAP(w, r)
	case r.Options.Has(coap.Block1) || r.Options.Has(coap.Block2): // of a proxy
		s.fragmented.ServeCOAP(w, r) //spec:8613-4.1.3.4.2-2
	default:
		s.pipeline(w, r)
	}
}

// pipeline takes a request from the datagram to its handler.
func (s *Server) pipeline(w coap.ResponseWriter, r *coap.Request) {
	answer, response, waits := s.answers.begin(w, r)
	if answer == nil {
		s.repeat(w, r, response, waits)
		return
	}
	out := newResponder(s, w, answer)
	defer out.release()
	sec, message, exchange, err := out.verify(r)
	if err != nil {
		out.reject(r, err) // unprotected 4.00, 4.01 or 4.02, or a challenge
		return
	}
	request := out.open(sec, message, exchange, r)
	grant, err := s.authorize(sec, request)
	if err != nil {
		_ = out.refuse(err) // protected 4.01, 4.03 or 4.05
	} else {
		out.grant(grant)
		s.protected.ServeCOAP(out, request)
	}
	out.returned = true
}

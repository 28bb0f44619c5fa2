package org.ostiary.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.Exchange;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.oscore.ContextRederivation.PHASE;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;

/**
 * A server with the observable resources /value and /large. It says "ready"
 * and its port, then obeys the lines on standard input: "lose" makes it run
 * Appendix B.2 on the next request, "phase" tells where it stands.
 */
final class Server {
	private final HashMapCtxDB db = new HashMapCtxDB();
	private final Arguments arguments;
	private final boolean oscore;

	Server(Arguments arguments) {
		this.arguments = arguments;
		oscore = arguments.has("--secret");
	}

	void run() throws Exception {
		byte[] recipient = oscore ? arguments.bytes("--recipient") : null;
		if (oscore) {
			db.addContext(arguments.context(false));
			OSCoreCoapStackFactory.useAsDefault(db);
		}
		CoapEndpoint endpoint = CoapEndpoint.builder()
				.setInetSocketAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)).build();
		CoapServer server = new CoapServer();
		server.addEndpoint(endpoint);
		server.add(new Stored("value", "initial".getBytes(StandardCharsets.UTF_8)));
		server.add(new Stored("large", new byte[0]));
		server.start();
		Main.say("ready " + endpoint.getAddress().getPort());
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			OSCoreCtx ctx = db.getContext(recipient);
			switch (line) {
			case "lose" -> {
				ctx.setContextRederivationPhase(PHASE.SERVER_INITIATE);
				Main.say("lost");
			}
			case "phase" -> Main.say(ctx.getContextRederivationPhase().toString());
			default -> Main.say("there is no such command");
			}
		}
		server.destroy();
	}

	/**
	 * A resource, with OSCORE for protected requests only. It is no OSCoreResource: that
	 * forgets, after the first response, that the request was protected, and
	 * ends every observation with 4.01 at the first notification.
	 */
	private final class Stored extends CoapResource {
		private volatile byte[] value;

		Stored(String name, byte[] value) {
			super(name, true);
			this.value = value;
			setObservable(true);
			getAttributes().setObservable();
		}

		@Override
		public void handleRequest(Exchange exchange) {
			if (oscore && exchange.getCryptographicContextID() == null) {
				exchange.sendResponse(new Response(ResponseCode.UNAUTHORIZED));
				return;
			}
			super.handleRequest(exchange);
		}

		@Override
		public void handleGET(CoapExchange exchange) {
			exchange.respond(ResponseCode.CONTENT, value);
		}

		/** Gives back what it got. */
		@Override
		public void handleFETCH(CoapExchange exchange) {
			exchange.respond(ResponseCode.CONTENT, exchange.getRequestPayload());
		}

		@Override
		public void handlePUT(CoapExchange exchange) {
			value = exchange.getRequestPayload();
			exchange.respond(ResponseCode.CHANGED);
			changed();
		}
	}
}

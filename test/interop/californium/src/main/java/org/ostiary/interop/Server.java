package org.ostiary.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;

import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.oscore.ContextRederivation.PHASE;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;
import org.eclipse.californium.oscore.OSCoreResource;

/**
 * A server with the resources /value (observable) and /large. It prints
 * "ready" and its port, then obeys lines on standard input: "lose" makes it
 * run Appendix B.2 on the next request, "key" prints a digest-like prefix of
 * the recipient key in use, "quit" ends it.
 */
final class Server {
	private final HashMapCtxDB db = new HashMapCtxDB();
	private final Arguments arguments;

	Server(Arguments arguments) {
		this.arguments = arguments;
	}

	void run() throws Exception {
		byte[] recipient = arguments.bytes("--recipient");
		db.addContext(arguments.context(false));
		OSCoreCoapStackFactory.useAsDefault(db);
		CoapEndpoint endpoint = CoapEndpoint.builder()
				.setInetSocketAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), arguments.number("--port")))
				.build();
		CoapServer server = new CoapServer();
		server.addEndpoint(endpoint);
		server.add(new Stored("value", "initial".getBytes()));
		server.add(new Stored("large", new byte[0]));
		server.start();
		say("ready " + endpoint.getAddress().getPort());
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line = in.readLine(); line != null && !line.equals("quit"); line = in.readLine()) {
			OSCoreCtx ctx = db.getContext(recipient);
			switch (line) {
			case "lose" -> {
				ctx.setContextRederivationPhase(PHASE.SERVER_INITIATE);
				say("lost");
			}
			case "phase" -> say(ctx.getContextRederivationPhase().toString());
			default -> say("what? " + line);
			}
		}
		server.destroy();
		System.exit(0);
	}

	private static void say(String line) {
		System.out.println(line);
		System.out.flush();
	}

	private static final class Stored extends OSCoreResource {
		private byte[] value;

		Stored(String name, byte[] value) {
			super(name, true);
			this.value = value;
			setObservable(true);
			getAttributes().setObservable();
		}

		@Override
		public void handleGET(CoapExchange exchange) {
			exchange.respond(ResponseCode.CONTENT, value);
		}

		@Override
		public void handlePUT(CoapExchange exchange) {
			value = exchange.getRequestPayload();
			exchange.respond(ResponseCode.CHANGED);
			changed();
		}
	}
}

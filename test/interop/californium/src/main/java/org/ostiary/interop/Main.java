package org.ostiary.interop;

import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;

/**
 * Californium as a peer: {@code client} or {@code server}, then --name value
 * pairs. Without --secret it speaks plain CoAP.
 */
public final class Main {
	private Main() {
	}

	public static void main(String[] args) throws Exception {
		System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", System.getenv().getOrDefault("PEER_LOG", "error"));
		CoapConfig.register();
		Configuration config = Configuration.createStandardWithoutFile();
		config.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 16384);
		config.set(CoapConfig.PREFERRED_BLOCK_SIZE, 512);
		config.set(CoapConfig.MAX_MESSAGE_SIZE, 512); // more than that goes block-wise
		Configuration.setStandard(config);
		Arguments arguments = new Arguments(args, 1);
		switch (args.length == 0 ? "" : args[0]) {
		case "client" -> new Client(arguments).run();
		case "server" -> new Server(arguments).run();
		default -> {
			System.err.println("usage: client|server --name value ..");
			System.exit(2);
		}
		}
		System.exit(0);
	}

	/** Writes one line to whoever has started this process. */
	static void say(String line) {
		System.out.println(line);
		System.out.flush();
	}
}

package org.ostiary.interop;

import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;

import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.oscore.OSCoreCtx;
import org.eclipse.californium.oscore.OSException;

/** The command line: --name value pairs, byte strings in hexadecimal. */
final class Arguments {
	private final Map<String, String> values = new HashMap<>();

	Arguments(String[] args, int from) {
		for (int i = from; i + 1 < args.length; i += 2) {
			values.put(args[i], args[i + 1]);
		}
	}

	String text(String name) {
		String value = values.get(name);
		if (value == null) {
			throw new IllegalArgumentException("missing " + name);
		}
		return value;
	}

	boolean has(String name) {
		return values.containsKey(name);
	}

	int number(String name) {
		return Integer.parseInt(text(name));
	}

	byte[] bytes(String name) {
		return HexFormat.of().parseHex(text(name));
	}

	/** The security context the arguments describe, with Appendix B.2 enabled. */
	OSCoreCtx context(boolean client) throws OSException {
		byte[] idContext = bytes("--id-context");
		OSCoreCtx ctx = new OSCoreCtx(bytes("--secret"), client, AlgorithmID.AES_CCM_16_64_128, bytes("--sender"),
				bytes("--recipient"), AlgorithmID.HKDF_HMAC_SHA_256, 32, bytes("--salt"),
				idContext.length == 0 ? null : idContext, 8192);
		ctx.setContextRederivationEnabled(true);
		return ctx;
	}
}

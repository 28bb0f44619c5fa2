package org.ostiary.interop;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapHandler;
import org.eclipse.californium.core.CoapObserveRelation;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.oscore.ContextRederivation.PHASE;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;

/**
 * The client's cases, in their order. Each prints one line of JSON:
 * {"case":..,"ok":..,"detail":..}.
 */
final class Client {
	private static final long TIMEOUT = 20_000;

	private final HashMapCtxDB db = new HashMapCtxDB();
	private final String uri;
	private boolean passed = true;

	Client(Arguments arguments) throws Exception {
		uri = arguments.text("--uri");
		db.addContext(uri, arguments.context(true));
		OSCoreCoapStackFactory.useAsDefault(db);
	}

	private interface Case {
		/** @return null, or what went wrong */
		String run() throws Exception;
	}

	boolean run() {
		check("get", () -> expect(send(Code.GET, "/value", null), ResponseCode.CONTENT, "initial"));
		check("put", () -> {
			String wrong = expect(send(Code.PUT, "/value", text("changed")), ResponseCode.CHANGED, "");
			return wrong != null ? wrong : expect(send(Code.GET, "/value", null), ResponseCode.CONTENT, "changed");
		});
		check("observe", this::observe);
		check("block-wise-4-KiB", this::large);
		check("outside-the-scope", () -> expect(send(Code.GET, "/secret", null), ResponseCode.FORBIDDEN, null));
		check("uncovered-method", () -> expect(send(Code.DELETE, "/value", null), ResponseCode.METHOD_NOT_ALLOWED, null));
		check("b2-by-the-client", this::rederive);
		check("get-after-b2", () -> expect(send(Code.GET, "/value", null), ResponseCode.CONTENT, "two"));
		check("b2-again", this::rederive);
		return passed;
	}

	private void check(String name, Case c) {
		String wrong;
		try {
			wrong = c.run();
		} catch (Exception e) {
			wrong = e.toString();
		}
		passed &= wrong == null;
		System.out.printf("{\"case\":\"%s\",\"ok\":%b,\"detail\":\"%s\"}%n", name, wrong == null,
				wrong == null ? "" : wrong.replace('"', '\''));
	}

	private static byte[] text(String s) {
		return s.getBytes(StandardCharsets.UTF_8);
	}

	private Request request(Code code, String path, byte[] payload) {
		Request request = new Request(code);
		request.setURI(uri + path);
		request.getOptions().setOscore(new byte[0]);
		if (payload != null) {
			request.setPayload(payload);
		}
		return request;
	}

	private CoapResponse send(Code code, String path, byte[] payload) throws Exception {
		CoapClient client = new CoapClient();
		client.setTimeout(TIMEOUT);
		try {
			return client.advanced(request(code, path, payload));
		} finally {
			client.shutdown();
		}
	}

	/** @param payload null: any */
	private static String expect(CoapResponse response, ResponseCode code, String payload) {
		if (response == null) {
			return "no response";
		}
		if (response.getCode() != code) {
			return "got " + response.getCode() + ", want " + code;
		}
		if (!response.advanced().getOptions().hasOscore()) {
			return "the response is not protected";
		}
		if (payload != null && !payload.equals(response.getResponseText())) {
			return "got " + response.getResponseText() + ", want " + payload;
		}
		return null;
	}

	private String observe() throws Exception {
		BlockingQueue<String> seen = new LinkedBlockingQueue<>();
		CoapClient client = new CoapClient();
		client.setTimeout(TIMEOUT);
		Request request = request(Code.GET, "/value", null);
		request.setObserve();
		CoapObserveRelation relation = client.observeAndWait(request, new CoapHandler() {
			@Override
			public void onLoad(CoapResponse response) {
				seen.add(response.getResponseText());
			}

			@Override
			public void onError() {
				seen.add("error");
			}
		});
		try {
			String wrong = next(seen, "changed");
			for (String value : new String[] { "one", "two" }) {
				if (wrong == null) {
					wrong = expect(send(Code.PUT, "/value", text(value)), ResponseCode.CHANGED, "");
				}
				if (wrong == null) {
					wrong = next(seen, value);
				}
			}
			return wrong;
		} finally {
			relation.proactiveCancel();
			client.shutdown();
		}
	}

	private static String next(BlockingQueue<String> seen, String want) throws InterruptedException {
		String got = seen.poll(TIMEOUT, TimeUnit.MILLISECONDS);
		return want.equals(got) ? null : "notified of " + got + ", want " + want;
	}

	private String large() throws Exception {
		byte[] body = new byte[4096];
		for (int i = 0; i < body.length; i++) {
			body[i] = (byte) (i * 7);
		}
		String wrong = expect(send(Code.PUT, "/large", body), ResponseCode.CHANGED, "");
		if (wrong != null) {
			return "PUT: " + wrong;
		}
		CoapResponse response = send(Code.GET, "/large", null);
		wrong = expect(response, ResponseCode.CONTENT, null);
		if (wrong != null) {
			return "GET: " + wrong;
		}
		return Arrays.equals(body, response.getPayload()) ? null
				: "got back " + response.getPayload().length + " other bytes";
	}

	private String rederive() throws Exception {
		OSCoreCtx before = db.getContext(uri);
		String keyBefore = HexFormat.of().formatHex(before.getSenderKey());
		before.setContextRederivationPhase(PHASE.CLIENT_INITIATE);
		String wrong = expect(send(Code.GET, "/value", null), ResponseCode.CONTENT, "two");
		if (wrong != null) {
			return wrong;
		}
		OSCoreCtx after = db.getContext(uri);
		if (after.getContextRederivationPhase() != PHASE.INACTIVE) {
			return "still in " + after.getContextRederivationPhase();
		}
		return keyBefore.equals(HexFormat.of().formatHex(after.getSenderKey())) ? "the sender key is the old one" : null;
	}
}

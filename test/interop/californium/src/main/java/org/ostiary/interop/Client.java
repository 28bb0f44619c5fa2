package org.ostiary.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapHandler;
import org.eclipse.californium.core.CoapObserveRelation;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.Option;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.coap.option.StandardOptionRegistry;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.observe.NotificationListener;
import org.eclipse.californium.oscore.ContextRederivation.PHASE;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;

/**
 * A client that runs the cases it reads from standard input, one name a line,
 * in the order in which they come: each answers with one line, "passed" or
 * "failed" and what went wrong. The value of /value is "initial" before the
 * first.
 */
final class Client {
	private static final long TIMEOUT = 20_000;

	private final HashMapCtxDB db = new HashMapCtxDB();
	private final CoapClient client = new CoapClient();
	private final CoapEndpoint endpoint;
	private final String uri;
	private final boolean oscore;
	private String value = "initial";

	Client(Arguments arguments) throws Exception {
		uri = arguments.text("--uri");
		oscore = arguments.has("--secret");
		if (oscore) {
			db.addContext(uri, arguments.context(true));
			OSCoreCoapStackFactory.useAsDefault(db);
		}
		endpoint = CoapEndpoint.builder().build();
		endpoint.start();
		client.setEndpoint(endpoint);
		client.setTimeout(TIMEOUT);
	}

	void run() throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		Main.say("ready");
		for (String name = in.readLine(); name != null; name = in.readLine()) {
			String wrong;
			try {
				wrong = run(name);
			} catch (Exception e) {
				wrong = e.toString();
			}
			Main.say(wrong == null ? "passed" : "failed " + wrong.replace('\n', ' '));
		}
		client.shutdown();
		endpoint.destroy();
	}

	/** @return null, or what went wrong */
	private String run(String name) throws Exception {
		return switch (name) {
		case "get" -> get();
		case "put" -> {
			String wrong = put("changed");
			yield wrong != null ? wrong : get();
		}
		case "observe" -> observe("one", "two");
		case "block-wise-put" -> expect(send(Code.PUT, "/large", body()), ResponseCode.CHANGED, "");
		case "block-wise-get" -> {
			CoapResponse response = send(Code.GET, "/large", null);
			String wrong = expect(response, ResponseCode.CONTENT, null);
			yield wrong != null || Arrays.equals(body(), response.getPayload()) ? wrong
					: "got " + response.getPayload().length + " other bytes";
		}
		case "fetch" -> expect(send(Code.FETCH, "/value", text("a question")), ResponseCode.CONTENT, "a question");
		case "block-wise-fetch" -> {
			CoapResponse response = send(Code.FETCH, "/value", body());
			String wrong = expect(response, ResponseCode.CONTENT, null);
			yield wrong != null || Arrays.equals(body(), response.getPayload()) ? wrong
					: "got " + response.getPayload().length + " other bytes";
		}
		case "not-found" -> expect(send(Code.GET, "/nothing", null), ResponseCode.NOT_FOUND, null);
		case "method-not-allowed" ->
			expect(send(Code.DELETE, "/value", null), ResponseCode.METHOD_NOT_ALLOWED, null);
		case "outside-the-scope" -> expect(send(Code.GET, "/secret", null), ResponseCode.FORBIDDEN, null);
		case "uncovered-method" ->
			expect(send(Code.DELETE, "/value", null), ResponseCode.METHOD_NOT_ALLOWED, null);
		case "b2-by-the-client", "b2-again" -> {
			byte[] before = key();
			db.getContext(uri).setContextRederivationPhase(PHASE.CLIENT_INITIATE);
			String wrong = get();
			yield wrong != null ? wrong : renewed(before);
		}
		case "b2-by-the-server" -> {
			// Californium gives the 4.01 to the application, which asks again.
			byte[] before = key();
			String wrong = expect(send(Code.GET, "/value", null), ResponseCode.UNAUTHORIZED, null);
			wrong = wrong != null ? wrong : get();
			yield wrong != null ? wrong : renewed(before);
		}
		case "get-after-b2" -> get();
		case "put-after-b2" -> {
			String wrong = put("renewed");
			yield wrong != null ? wrong : get();
		}
		case "observe-after-b2" -> observe("three", "four");
		default -> "there is no such case";
		};
	}

	private String get() throws Exception {
		return expect(send(Code.GET, "/value", null), ResponseCode.CONTENT, value);
	}

	private String put(String to) throws Exception {
		String wrong = expect(send(Code.PUT, "/value", text(to)), ResponseCode.CHANGED, "");
		value = wrong == null ? to : value;
		return wrong;
	}

	/** A body of 4 KiB, every block of which differs. */
	private static byte[] body() {
		byte[] body = new byte[4096];
		for (int i = 0; i < body.length; i++) {
			body[i] = (byte) (i * 7 + i / 256);
		}
		return body;
	}

	private static byte[] text(String s) {
		return s.getBytes(StandardCharsets.UTF_8);
	}

	private Request request(Code code, String path, byte[] payload) {
		Request request = new Request(code);
		request.setURI(uri + path);
		if (oscore) {
			request.getOptions().setOscore(new byte[0]);
		}
		if (payload != null) {
			request.setPayload(payload);
		}
		return request;
	}

	/** Californium leaves it to the application to ask again with the Echo option. */
	private CoapResponse send(Code code, String path, byte[] payload) throws Exception {
		CoapResponse response = client.advanced(request(code, path, payload));
		Option echo = response == null ? null : response.getOptions().getOtherOption(StandardOptionRegistry.ECHO);
		if (oscore || echo == null || response.getCode() != ResponseCode.UNAUTHORIZED) {
			return response;
		}
		Request again = request(code, path, payload);
		again.getOptions().addOtherOption(echo);
		return client.advanced(again);
	}

	/** @param payload null: any */
	private String expect(CoapResponse response, ResponseCode code, String payload) {
		return response == null ? "no response" : expect(response.advanced(), code, payload);
	}

	private String expect(Response response, ResponseCode code, String payload) {
		if (oscore && !response.getOptions().hasOscore()) {
			return "the response is not protected: " + response.getCode();
		}
		if (response.getCode() != code) {
			return "got " + response.getCode() + ", want " + code;
		}
		if (payload != null && !payload.equals(response.getPayloadString())) {
			return "got " + response.getPayloadString() + ", want " + payload;
		}
		return null;
	}

	/**
	 * Takes, with OSCORE, the notifications from the endpoint, before CoapClient puts them in
	 * order: it does so by the inner Observe option, which is empty in all of
	 * them (RFC 8613, Section 4.1.3.5.2), and would drop all but the first
	 * response for 128 seconds.
	 */
	private String observe(String... values) throws Exception {
		BlockingQueue<String> seen = new LinkedBlockingQueue<>();
		NotificationListener notified = (request, response) -> see(seen, response);
		if (oscore) {
			endpoint.addNotificationListener(notified);
		}
		Request request = request(Code.GET, "/value", null);
		request.setObserve();
		CoapObserveRelation relation = client.observeAndWait(request, new CoapHandler() {
			private boolean first = true;

			@Override
			public void onLoad(CoapResponse response) {
				if (!oscore || first || !response.advanced().isNotification()) {
					first = false;
					see(seen, response.advanced());
				}
			}

			@Override
			public void onError() {
				seen.add("an error");
			}
		});
		String wrong = next(seen, value);
		for (int i = 0; i < values.length && wrong == null; i++) {
			wrong = put(values[i]);
			wrong = wrong != null ? wrong : next(seen, values[i]);
		}
		relation.proactiveCancel();
		wrong = wrong != null ? wrong : next(seen, value); // the answer to the cancellation
		endpoint.removeNotificationListener(notified);
		return wrong;
	}

	private void see(BlockingQueue<String> seen, Response response) {
		String wrong = expect(response, ResponseCode.CONTENT, null);
		seen.add(wrong == null ? response.getPayloadString() : wrong);
	}

	private static String next(BlockingQueue<String> seen, String want) throws InterruptedException {
		String got = seen.poll(TIMEOUT, TimeUnit.MILLISECONDS);
		return want.equals(got) ? null : "notified of " + got + ", want " + want;
	}

	private byte[] key() throws Exception {
		return db.getContext(uri).getSenderKey();
	}

	private String renewed(byte[] before) throws Exception {
		OSCoreCtx ctx = db.getContext(uri);
		if (ctx.getContextRederivationPhase() != PHASE.INACTIVE) {
			return "still in " + ctx.getContextRederivationPhase();
		}
		return Arrays.equals(before, ctx.getSenderKey()) ? "the sender key is the old one" : null;
	}
}

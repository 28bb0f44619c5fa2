"""aiocoap as the peer of the cases in plain CoAP in expect.json.

    plain_peer.py client SCHEME PORT    for the server at that port
    plain_peer.py server SCHEME         at any port; says "ready PORT"

SCHEME is coap, coap+tcp or coap+ws. It does what the lines of its standard input
say, answers each with a line, and ends when there are no more.
"""

import asyncio
import os
import signal
import sys

import aiocoap
from aiocoap import CHANGED, CONTENT, DELETE, FETCH, GET, METHOD_NOT_ALLOWED, NOT_FOUND, PUT, Message, resource

PATIENCE = 30  # seconds for one request
BODY = bytes((i * 7 + i // 256) % 256 for i in range(4096))


class Value(resource.ObservableResource):
    content = b"initial"

    async def render_get(self, request):
        return Message(code=CONTENT, payload=self.content)

    async def render_put(self, request):
        self.content = request.payload
        self.updated_state()
        return Message(code=CHANGED)

    async def render_fetch(self, request):
        return Message(code=CONTENT, payload=request.payload)


class Server:
    TRANSPORTS = {"coap": "udp6", "coap+tcp": "tcpserver", "coap+ws": "ws"}

    async def start(self, scheme):
        site = resource.Site()
        self.value = Value()
        site.add_resource(["value"], self.value)
        site.add_resource(["large"], Value())
        self.context = await aiocoap.Context.create_server_context(
            site, bind=("127.0.0.1", 0), transports=[self.TRANSPORTS[scheme]])
        (requests,) = self.context.request_interfaces
        interface = requests.token_interface
        if scheme == "coap":
            socket = interface.message_interface.transport.get_extra_info("socket")
        elif scheme == "coap+tcp":
            (socket,) = interface.server.sockets
        else:
            (server,) = interface._servers
            (socket,) = server.sockets
        return f"ready {socket.getsockname()[1]}"

    async def unobserved(self):
        """Wait until nobody observes the value."""
        for _ in range(100 * PATIENCE):
            if not self.value._observations:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("an observation has not ended")


class Client:
    TRANSPORTS = {"coap": "udp6", "coap+tcp": "tcpclient", "coap+ws": "ws"}

    async def start(self, scheme, port):
        self.base = f"{scheme}://127.0.0.1:{port}"
        self.value = b"initial"
        self.context = await aiocoap.Context.create_client_context(transports=[self.TRANSPORTS[scheme]])
        return "ready"

    async def exchange(self, code, path, payload=b"", want=CONTENT, body=None):
        request = self.context.request(Message(code=code, uri=self.base + path, payload=payload))
        response = await asyncio.wait_for(request.response, PATIENCE)
        check(response, want, body)

    async def get(self):
        await self.exchange(GET, "/value", body=self.value)

    async def put(self, value="put by aiocoap"):
        self.value = value.encode()
        await self.exchange(PUT, "/value", self.value, CHANGED)
        await self.get()

    async def fetch(self):
        await self.exchange(FETCH, "/value", b"a question", body=b"a question")

    async def block_wise_put(self):
        await self.exchange(PUT, "/large", BODY, CHANGED)

    async def block_wise_get(self):
        await self.exchange(GET, "/large", body=BODY)

    async def block_wise_fetch(self):
        await self.exchange(FETCH, "/value", BODY, body=BODY)

    async def not_found(self):
        await self.exchange(GET, "/nothing", want=NOT_FOUND)

    async def method_not_allowed(self):
        await self.exchange(DELETE, "/value", want=METHOD_NOT_ALLOWED)

    async def observe(self):
        request = self.context.request(Message(code=GET, uri=self.base + "/value", observe=0))
        check(await asyncio.wait_for(request.response, PATIENCE), CONTENT, self.value)
        notifications = aiter(request.observation)
        for value in ("one", "two"):
            await self.put(value)
            check(await asyncio.wait_for(anext(notifications), PATIENCE), CONTENT, self.value)
        request.observation.cancel()


def check(response, code, payload=None):
    if response.code != code or payload not in (None, response.payload):
        raise AssertionError(f"got {response.code} {response.payload[:100]}, want {code} {payload and payload[:100]}")


async def main(role, *args):
    peer = {"client": Client, "server": Server}[role]()
    print(await peer.start(*args), flush=True)

    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        try:
            await getattr(peer, line.decode().strip().replace("-", "_"))()
            answer = "passed"
        except Exception as e:
            answer = repr(e)
        print(answer.replace("\n", " "), flush=True)
    # In an orderly end, aiocoap reports the task of an observation as an error.
    os._exit(0)


signal.signal(signal.SIGINT, signal.SIG_IGN)
asyncio.run(main(*sys.argv[1:]))

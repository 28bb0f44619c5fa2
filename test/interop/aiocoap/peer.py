"""aiocoap as the peer of the cases in expect.json.

    peer.py client PORT [--context DIR]    for the server at that port
    peer.py server PORT [--context DIR]    at that port, or at any if it is 0;
                                           says "ready PORT"

It does what the lines of its standard input say, answers each with a line, and
ends when there are no more. DIR has an OSCORE context in aiocoap's format.
"""

import argparse
import asyncio
import json
import os
import pathlib
import signal
import sys
import tomllib

import aiocoap
import cbor2
from aiocoap import CHANGED, CONTENT, CREATED, GET, POST, PUT, Message, resource
from aiocoap.credentials import CredentialsMap
from aiocoap.edhoc import CoseKeyForEdhoc
from aiocoap.oscore import NotAProtectedMessage
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

PATIENCE = 30  # seconds for one request
BODY = bytes((i * 7 + i // 256) % 256 for i in range(4096))
CREDENTIALS = json.loads((pathlib.Path(__file__).parents[1] / "credentials.json").read_text())


def ccs(role):
    return {14: cbor2.loads(bytes.fromhex(CREDENTIALS[role]["credential"]))}


def key(role):
    return {1: 2, -1: 1, -4: bytes.fromhex(CREDENTIALS[role]["key"])}


def edhoc(**fields):
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    return {"edhoc-oscore": {"suite": 2, "method": 3, **fields}}


class Value(resource.ObservableResource):
    content = b"initial"

    async def render_get(self, request):
        return Message(code=CONTENT, payload=self.content)

    async def render_put(self, request):
        self.content = request.payload
        self.updated_state()
        return Message(code=CHANGED)


class Protected(OscoreSiteWrapper):
    """The resources, which refuse whatever comes in clear."""

    async def render_to_pipe(self, pipe):
        request = pipe.request
        if request.opt.oscore is None and request.opt.uri_path != (".well-known", "edhoc"):
            raise aiocoap.error.Unauthorized
        await super().render_to_pipe(pipe)


class Server:
    async def start(self, args):
        site = resource.Site()
        site.add_resource(["value"], Value())
        site.add_resource(["large"], Value())
        self.credentials = CredentialsMap()
        if args.context:
            self.credentials.load_from_dict({":client": {"oscore": {"basedir": args.context}}})
        context = await aiocoap.Context.create_server_context(
            Protected(site, self.credentials), bind=("127.0.0.1", args.port),
            server_credentials=self.credentials, transports=["udp6"],
        )
        (requests,) = context.request_interfaces
        self.port = requests.token_interface.message_interface.transport.get_extra_info("socket").getsockname()[1]
        return f"ready {self.port}"

    async def edhoc(self, style):
        """Take part in EDHOC, with our credential in that style."""
        self.credentials.load_from_dict({
            f"coap://127.0.0.1:{self.port}/*": edhoc(
                own_cred_style=style, own_cred=ccs("responder"), private_key=key("responder")),
            ":initiator": edhoc(peer_cred=ccs("initiator")),
        })


class Client:
    async def start(self, args):
        self.base = f"coap://127.0.0.1:{args.port}"
        self.value = b"initial"
        self.context = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"])
        if args.context:
            self.context.client_credentials.load_from_dict(
                {f"{self.base}/*": {"oscore": {"basedir": args.context}}})
        return "ready"

    def message(self, code, path, payload=b"", **options):
        return Message(code=code, uri=self.base + path, payload=payload, **options)

    async def response(self, code, path, payload=b""):
        request = self.context.request(self.message(code, path, payload))
        return await asyncio.wait_for(request.response, PATIENCE)

    async def get(self, path="/value", want=None):
        check(await self.response(GET, path), CONTENT, self.value if want is None else want)

    async def put(self, value="put by aiocoap"):
        self.value = value.encode()
        check(await self.response(PUT, "/value", self.value), CHANGED)
        await self.get()

    async def block_wise_put(self):
        check(await self.response(PUT, "/large", BODY), CHANGED)

    async def block_wise_get(self):
        await self.get("/large", BODY)

    async def observe(self):
        request = self.context.request(self.message(GET, "/value", observe=0))
        check(await asyncio.wait_for(request.response, PATIENCE), CONTENT, self.value)
        notifications = aiter(request.observation)
        for value in ("one", "two"):
            await self.put(value)
            check(await asyncio.wait_for(anext(notifications), PATIENCE), CONTENT, self.value)
        request.observation.cancel()

    async def edhoc(self, port, style, combined):
        """Run EDHOC, with our credential in that style, and two GETs."""
        self.base = f"coap://127.0.0.1:{port}"
        self.context.client_credentials.load_from_dict({
            f"{self.base}/*": edhoc(
                own_cred_style=style, own_cred=ccs("initiator"), private_key=key("initiator"),
                peer_cred=ccs("responder"), use_combined_edhoc=combined == "combined"),
        })
        await self.get()
        await self.get()

    async def login(self, port, style, combined, file):
        """Take the key pair of a file of our tools for the server at that port."""
        pair = tomllib.loads(pathlib.Path(file).read_text())["edhoc"]
        self.base = f"coap://127.0.0.1:{port}"
        self.context.client_credentials.load_from_dict({
            f"{self.base}/*": edhoc(
                own_cred_style=style, use_combined_edhoc=combined == "combined",
                own_cred={14: cbor2.loads(bytes.fromhex(pair["credential"]))},
                peer_cred={14: cbor2.loads(bytes.fromhex(pair["peer"]))},
                private_key={1: 2, -1: 1, -4: bytes.fromhex(pair["private_key"])}),
        })

    async def keygen(self, public, file, other):
        """Make a key pair: its CCS into one file, and another file for login.

        Whom it is for is in a third, which is for login too.
        """
        pair = CoseKeyForEdhoc.generate()
        credential = cbor2.dumps(pair.as_ccs(kid=b"\x2b", subject="made by aiocoap")[14], canonical=True).hex()
        peer = tomllib.loads(pathlib.Path(other).read_text())["edhoc"]["peer"]
        pathlib.Path(public).write_text(credential)
        fields = {"private_key": pair.d.hex(), "credential": credential, "peer": peer}
        pathlib.Path(file).write_text("\n".join(["[edhoc]", *(f"{k} = '{v}'" for k, v in fields.items())]))

    async def ask(self, method, path, code):
        """Make a request, which has to give that code, such as 2.05, protected."""
        response = await self.response(getattr(aiocoap, method), path)
        if response.code.dotted != code:
            raise AssertionError(f"{method} {path} gives {response.code}, want {code}")
        self.session = response.remote

    async def again(self, method, path, code):
        """Make a request in the session of the last, without EDHOC. 4.01 is not protected."""
        request = Message(code=getattr(aiocoap, method), uri_path=path.strip("/").split("/"))
        request.remote = self.session
        protected = True
        try:
            response = await asyncio.wait_for(self.context.request(request).response, PATIENCE)
        except NotAProtectedMessage as e:
            response, protected = e.plain_message, False
        if (response.code.dotted, protected) != (code, code != "4.01"):
            raise AssertionError(f"{method} {path} gives {response.code}, protected: {protected}, want {code}")

    async def token(self, file):
        """Get a token, and read it as the resource server of a file of our tools."""
        known = tomllib.loads(pathlib.Path(file).read_text())
        scope = cbor2.dumps([["/value", 5]])
        response = await self.post("/token", {5: known["audiences"][0], 9: scope})
        self.access = access = cbor2.loads(response.payload)
        claims = opened(access[1], bytes.fromhex(known["token_key"]["key"]))
        want = {1: known["issuer"], 3: known["audiences"][0], 8: access[8], 9: scope}
        got = {claim: claims.get(claim) for claim in want}
        if got != want or claims[4] - claims[6] != access[2]:
            raise AssertionError(f"the token says {claims}, want {want} for {access[2]} seconds")

    async def upload(self, port, folder):
        """Take the token to a resource server, and make a context in a folder (RFC 9203)."""
        self.base = f"coap://127.0.0.1:{port}"
        nonce1, id1 = os.urandom(8), b"\x05"
        response = await self.post("/authz-info", {1: self.access[1], 40: nonce1, 43: id1})
        server = cbor2.loads(response.payload)
        material = self.access[8][4]
        salt = b"".join(cbor2.dumps(part) for part in (material.get(5, b""), nonce1, server[42]))
        settings = {"secret_hex": material[2], "salt_hex": salt, "sender-id_hex": server[44], "recipient-id_hex": id1}
        settings = {name: value.hex() for name, value in settings.items()}
        pathlib.Path(folder, "settings.json").write_text(json.dumps(settings))
        self.context.client_credentials.load_from_dict({f"{self.base}/*": {"oscore": {"basedir": folder}}})

    async def post(self, path, message):
        """Make a request of ACE, whose answer is 2.01."""
        request = self.message(POST, path, cbor2.dumps(message), content_format=19)
        response = await asyncio.wait_for(self.context.request(request).response, PATIENCE)
        check(response, CREATED)
        return response


def opened(token, key):
    """The claims of an encrypted CWT, a COSE_Encrypt0 with its tags (RFC 8392, Section 7)."""
    cwt = cbor2.loads(token)
    if (cwt.tag, cwt.value.tag) != (61, 16):
        raise AssertionError(f"the token is {cwt}")
    protected, _, ciphertext = cwt.value.value
    structure = cbor2.dumps(["Encrypt0", protected, b""])
    return cbor2.loads(AESCCM(key, tag_length=8).decrypt(cbor2.loads(protected)[5], ciphertext, structure))


def check(response, code, payload=None):
    if response.code != code or payload not in (None, response.payload):
        raise AssertionError(f"got {response.code} {response.payload[:100]}, want {code} {payload and payload[:100]}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("port", type=int)
    parser.add_argument("--context")
    args = parser.parse_args()
    peer = Client() if args.role == "client" else Server()
    print(await peer.start(args), flush=True)

    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        name, *arguments = line.decode().split()
        try:
            await getattr(peer, name.replace("-", "_"))(*arguments)
            answer = "passed"
        except Exception as e:
            answer = repr(e)
        print(answer.replace("\n", " "), flush=True)
    # In an orderly end, aiocoap reports the task of an observation as an error.
    os._exit(0)


signal.signal(signal.SIGINT, signal.SIG_IGN)
asyncio.run(main())

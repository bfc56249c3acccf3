"""The least MQTT 3.1.1 client: enough to be a device in a test, with nothing but Python."""

import json
import socket
import ssl
import struct
import tempfile
import threading
import time


def _text(text):
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _packet(kind, body):
    length, head = len(body), bytearray([kind])
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


class Device:
    """A connected client that keeps what it hears. `connected` turns false when the broker ends the connection."""

    def __init__(self, client_id, address, authority, certificate, key):
        host, port = address.removeprefix("mqtts://").rsplit(":", 1)
        context = ssl.create_default_context(cafile=authority)
        context.check_hostname = False
        with tempfile.NamedTemporaryFile("w") as pem:
            pem.write(certificate + key)
            pem.flush()
            context.load_cert_chain(pem.name)
        self.socket = context.wrap_socket(socket.create_connection((host, int(port)), 10), server_hostname="localhost")
        self.socket.sendall(_packet(0x10, _text("MQTT") + bytes([4, 2]) + struct.pack(">H", 60) + _text(client_id)))
        kind, body = self._read()
        assert kind == 0x20 and body[1] == 0, f"CONNACK {body[1]}"
        self.heard, self.connected, self.packet = [], True, 0
        # Reading and writing one TLS stream from two threads needs a lock; so one thread does both, by turns.
        self.lock = threading.Lock()
        self.socket.settimeout(0.05)
        threading.Thread(target=self._listen, daemon=True).start()

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("closed")
            data += more
        return data

    def _read(self):
        kind = self._exactly(1)[0]
        self.socket.settimeout(10)
        length, shift = 0, 0
        while True:
            digit = self._exactly(1)[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return kind, self._exactly(length)

    def _listen(self):
        while True:
            with self.lock:
                try:
                    self.socket.settimeout(0.05)
                    kind, body = self._read()
                except TimeoutError:
                    kind = None
                except OSError:
                    self.connected = False
                    return
            if kind is None:
                time.sleep(0.01)
            elif kind & 0xF0 == 0x30:
                length = struct.unpack(">H", body[:2])[0]
                topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
                if kind & 0x06:
                    identifier, rest = rest[:2], rest[2:]
                    self._send(_packet(0x40, identifier))
                self.heard.append((topic, rest))

    def _send(self, data):
        with self.lock:
            try:
                self.socket.settimeout(10)
                self.socket.sendall(data)
            except OSError:
                self.connected = False

    def subscribe(self, topic):
        self.packet += 1
        self._send(_packet(0x82, struct.pack(">H", self.packet) + _text(topic) + b"\x01"))

    def publish(self, topic, payload):
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        self._send(_packet(0x30, _text(topic) + payload))

    def said(self, topic):
        """What was heard on a topic, as JSON."""
        return [json.loads(payload) for heard, payload in self.heard if heard == topic]

    def close(self):
        self._send(_packet(0xE0, b""))
        self.socket.close()

#!/usr/bin/python3
"""delay: a proxy that makes a network far away: delay.py PORT MS [PORT-OF-ITS-OWN]

Connects what comes to 127.0.0.1:PORT, and passes every octet on MS/2 later in each direction, so that a question and its answer take MS;
nothing else is slowed down. Prints its port, and runs until its input ends.
"""
import asyncio
import sys


async def pump(reader, writer, seconds):
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue(maxsize=256)

    async def put():
        while True:
            when, data = await queue.get()
            await asyncio.sleep(max(0, when - loop.time()))
            if not data:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    task = asyncio.ensure_future(put())
    try:
        data = True
        while data:
            try:
                data = await reader.read(65536)
            except ConnectionError:
                data = b""
            await queue.put((loop.time() + seconds, data))
        await task
    except ConnectionError:
        pass
    finally:
        task.cancel()


async def main(port, ms, own):
    async def connected(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, far_writer, ms / 2000), pump(far_reader, writer, ms / 2000))
        for w in (writer, far_writer):
            w.close()

    server = await asyncio.start_server(connected, "127.0.0.1", own)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0))

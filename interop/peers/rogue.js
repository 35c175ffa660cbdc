'use strict'
// A peer that says whatever it is told to: a sound handshake and box stream, and
// in it any frames. The test plays the protocol, and breaks it.

const MultiServer = require('multiserver')
const Net = require('multiserver/plugins/net')
const Shs = require('multiserver/plugins/shs')
const Pushable = require('pull-pushable')
const pull = require('pull-stream')
const EventEmitter = require('events')

// Takes frames apart: a header of nine bytes, then as many as it says.
function parser (frame) {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 9) {
      const length = rest.readUInt32BE(1)
      if (rest.length < 9 + length) return
      frame({ flags: rest[0], request: rest.readInt32BE(5), body: rest.toString('utf8', 9, 9 + length) })
      rest = rest.subarray(9 + length)
    }
  }
}

function encode ({ flags, request, body, length }) {
  const bytes = Buffer.from(body, 'utf8')
  const header = Buffer.alloc(9)
  header[0] = flags
  // The length may be a lie.
  header.writeUInt32BE(length === undefined ? bytes.length : length, 1)
  header.writeInt32BE(request, 5)
  return Buffer.concat([header, bytes])
}

module.exports = function rogue (config, settings) {
  const key = (text) => Buffer.from(text.replace('.ed25519', ''), 'base64')
  const shs = Shs({
    keys: { publicKey: key(settings.keys.public), secretKey: key(settings.keys.private) },
    appKey: Buffer.from(config.network, 'base64'),
    timeout: 15e3,
    authenticate: (_, cb) => cb(null, true)
  })
  const ms = MultiServer([[Net({}), shs]])
  let out = null
  let paused = null
  let frames = []
  let taker = null
  let ended = null

  function deliver () {
    if (!taker || (frames.length === 0 && ended === null)) return
    const cb = taker
    taker = null
    const taken = frames
    frames = []
    cb(null, { frames: taken, ended })
  }

  const calls = {
    connect: ({ address }, cb) => ms.client(address, (error, stream) => {
      if (error) return cb(error)
      ended = null
      frames = []
      out = Pushable()
      const take = parser((frame) => { frames.push(frame) })
      pull(out, stream.sink)
      pull(
        stream.source,
        // Reads nothing while told not to: the other side's socket fills up.
        pull.asyncMap((chunk, cb) => {
          if (paused) paused.push(() => cb(null, chunk))
          else cb(null, chunk)
        }),
        pull.drain((chunk) => { take(chunk); deliver() }, (error) => {
          ended = error && error !== true ? String(error.message || error) : 'closed'
          deliver()
        })
      )
      cb(null, '@' + stream.remote.toString('base64') + '.ed25519')
    }),
    // Frames, one after the other, `times` over.
    send: ({ frames: list, times = 1 }, cb) => {
      const bytes = Buffer.concat(list.map(encode))
      for (let i = 0; i < times; i++) out.push(bytes)
      cb()
    },
    // What has come since the last time; waits until there is something.
    take: (_, cb) => { taker = cb; deliver() },
    pause: (_, cb) => { paused = paused || []; cb() },
    resume: (_, cb) => {
      const waiting = paused || []
      paused = null
      for (const go of waiting) go()
      cb()
    },
    hangUp: (_, cb) => { out.end(); cb() }
  }
  const ssb = Object.assign(new EventEmitter(), {
    id: settings.keys.id, peers: {}, getAddress: () => null, close: (_, cb) => cb()
  })
  setImmediate(() => ssb.emit('multiserver:listening'))
  return { ssb, calls }
}

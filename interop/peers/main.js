'use strict'
// One peer as a process. What it is stands in its only argument, a JSON object:
//   stack     modern | legacy | room | rogue
//   dir       its data folder; the key in it is made when there is none
//   network   the network key, base64
//   ebt       false: a legacy peer without EBT, as old programs are
//   conn      true: with connection manager, for tunnels and for using invites
// Requests come as JSON lines {id, do, ...}; each is answered with a line
// {id, value} or {id, error}. The first line out says {hello: {id, address}}.
// It ends with its input.

const net = require('net')
const path = require('path')
const readline = require('readline')
const ssbKeys = require('ssb-keys')

// Some modules print; the way out belongs to the answers.
console.log = console.info = console.warn = console.error

const HOST = '127.0.0.1'
const config = JSON.parse(process.argv[2])

function say (line) {
  process.stdout.write(JSON.stringify(line) + '\n')
}

// secret-stack cannot be told to take any free port, so one is looked for.
function freePort (cb) {
  const server = net.createServer()
  server.listen(0, HOST, () => {
    const { port } = server.address()
    server.close(() => cb(port))
  })
}

function settings (port) {
  return {
    path: config.dir,
    keys: ssbKeys.loadOrCreateSync(path.join(config.dir, 'secret')),
    caps: { shs: config.network },
    connections: {
      incoming: {
        net: [{ scope: ['device', 'local', 'private', 'public'], host: HOST, port, transform: 'shs' }],
        ...(config.conn ? { tunnel: [{ scope: 'public', transform: 'shs' }] } : {})
      },
      outgoing: {
        net: [{ transform: 'shs' }],
        ...(config.conn ? { tunnel: [{ transform: 'shs' }] } : {})
      }
    },
    timers: { inactivity: 600e3, handshake: 15e3 },
    allowPrivate: true,
    ebt: { logging: false },
    replicate: {},
    conn: { autostart: false }
  }
}

function serve (ssb, calls) {
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity })
  lines.on('line', (line) => {
    const request = JSON.parse(line)
    const answer = (error, value) => {
      if (error) say({ id: request.id, error: String((error && error.message) || error) })
      else say({ id: request.id, value: value === undefined ? null : value })
    }
    const call = calls[request.do]
    if (!call) return answer(new Error(`this peer knows no ${request.do}`))
    try {
      call(request, answer)
    } catch (error) {
      answer(error)
    }
  })
  lines.on('close', () => process.exit(0))
}

const common = (ssb) => ({
  // Processor seconds of this process so far.
  cpu: (_, cb) => {
    const used = process.cpuUsage()
    cb(null, (used.user + used.system) / 1e6)
  },
  connect: ({ address }, cb) => ssb.connect(address, (error, rpc) => {
    if (error) return cb(error)
    cb(null, rpc.id)
  }),
  // Ends every connection to a peer, and waits until it is gone.
  disconnect: ({ peer }, cb) => {
    const all = (ssb.peers[peer] || []).slice()
    let left = all.length
    if (left === 0) return cb(null, 0)
    for (const rpc of all) {
      rpc.once('closed', () => { if (--left === 0) cb(null, all.length) })
      rpc.close(true)
    }
  },
  peers: (_, cb) => cb(null, Object.keys(ssb.peers).filter((id) => ssb.peers[id].length > 0)),
  close: (_, cb) => {
    // A server of node waits for its connections.
    for (const rpc of Object.values(ssb.peers).flat()) rpc.close(true)
    ssb.close(true, (error) => {
      cb(error)
      // ssb-ebt writes down how far its peers were without telling when it is done.
      setTimeout(() => process.exit(0), 500)
    })
  }
})

freePort((port) => {
  const { ssb, calls } = require(`./${config.stack}`)(config, settings(port))
  serve(ssb, { ...common(ssb), ...calls })
  const hello = () => say({ hello: { id: ssb.id, address: ssb.getAddress('device') } })
  ssb.on('multiserver:listening', hello)
})

'use strict'
// The peer of today's programs: ssb-db2, ssb-ebt 9, ssb-blobs 2.

const SecretStack = require('secret-stack')
const { author, where, toCallback } = require('ssb-db2/operators')
const blobs = require('./blobs')
const { digest, messages, waiting } = require('./feeds')

module.exports = function modern (config, settings) {
  const stack = SecretStack({ caps: settings.caps })
    .use(require('ssb-db2/core'))
    .use(require('ssb-classic'))
    .use(require('ssb-db2/compat/publish'))
    .use(require('ssb-db2/compat/db'))
    .use(require('ssb-db2/compat/ebt'))
    .use(require('ssb-db2/compat/history-stream'))
  if (config.conn) stack.use(require('ssb-conn'))
  stack.use(require('ssb-ebt')).use(require('ssb-blobs'))
  if (config.conn) stack.use(require('ssb-room-client')).use(require('ssb-invite-client'))
  const ssb = stack(settings)
  // As the programs do: one's own feed is passed on.
  ssb.ebt.request(ssb.id, true)

  const reached = waiting(ssb)
  ssb.db.onMsgAdded(({ kvt }) => reached.saw(kvt.value.author, kvt.value.sequence))

  const publish = (content, cb) => ssb.db.create(
    { keys: settings.keys, content, feedFormat: 'classic', encoding: 'js' }, cb)
  // ssb-invite-client publishes by the older name.
  if (!ssb.publish) ssb.publish = publish

  const calls = {
    publish: ({ content }, cb) => publish(content, (error, kvt) => cb(error, kvt && kvt.key)),
    request: ({ feeds }, cb) => {
      for (const feed of feeds) ssb.ebt.request(feed, true)
      cb()
    },
    add: ({ file }, cb) => {
      const runs = messages(file)
      const next = () => {
        const run = runs.shift()
        if (run === undefined) return ssb.db.onDrain('ebt', () => cb())
        ssb.db.addBatch(run, { feedFormat: 'classic' }, (error) => error ? cb(error) : setImmediate(next))
      }
      next()
    },
    reached: ({ clock }, cb) => reached.wait(clock, cb),
    digest: ({ feed }, cb) => ssb.db.query(where(author(feed)), toCallback((error, found) => {
      if (error) return cb(error)
      cb(null, digest(found))
    })),
    ...blobs(ssb)
  }
  if (config.conn) {
    calls.useInvite = ({ code }, cb) => ssb.invite.accept(code, (error) => cb(error))
    // Through a room: an address `tunnel:@ROOM:@PEER~shs:KEY`.
    calls.enter = ({ address }, cb) => ssb.conn.connect(address, { type: 'room' }, (error, rpc) => {
      if (error) return cb(error)
      // In it only when the room has said that it is one.
      const timer = setInterval(() => {
        if (!ssb.tunnel.getRoomsMap().has(rpc.id)) return
        clearInterval(timer)
        cb()
      }, 20)
    })
    calls.dial = ({ address }, cb) => ssb.conn.connect(address, (error, rpc) => cb(error, rpc && rpc.id))
  }
  return { ssb, calls }
}

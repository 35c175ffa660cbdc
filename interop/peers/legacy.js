'use strict'
// The peer of older programs and of most pubs: ssb-db, ssb-replicate, ssb-ebt 5,
// ssb-blobs 1, ssb-invite.

const SecretStack = require('secret-stack')
const pull = require('pull-stream')
const blobs = require('./blobs')
const { digest, messages, waiting } = require('./feeds')

// What ssb-invite asks of a follow graph, from the peer's own messages: whom it
// follows. Whoever is followed is replicated.
const follows = {
  name: 'friends',
  version: '1.0.0',
  manifest: { isFollowing: 'async' },
  permissions: {},
  init (ssb) {
    const following = new Set()
    ssb.post(({ value }) => {
      const { type, contact, following: yes } = value.content
      if (value.author !== ssb.id || type !== 'contact' || yes === undefined) return
      if (yes) following.add(contact)
      else following.delete(contact)
      ssb.replicate.request(contact, Boolean(yes))
    })
    return {
      isFollowing: ({ source, dest }, cb) => cb(null, source === ssb.id && following.has(dest))
    }
  }
}

module.exports = function legacy (config, settings) {
  const stack = SecretStack({ caps: settings.caps })
    .use(require('ssb-db'))
    .use(require('ssb-replicate'))
    .use(follows)
  if (config.ebt !== false) stack.use(require('legacy-ebt'))
  stack.use(require('legacy-blobs')).use(require('ssb-invite'))
  const ssb = stack(settings)
  ssb.replicate.request(ssb.id, true)

  const reached = waiting(ssb)
  ssb.post(({ value }) => reached.saw(value.author, value.sequence))

  const calls = {
    publish: ({ content }, cb) => ssb.publish(content, (error, kvt) => cb(error, kvt && kvt.key)),
    request: ({ feeds }, cb) => {
      for (const feed of feeds) ssb.replicate.request(feed, true)
      cb()
    },
    add: ({ file }, cb) => {
      const values = messages(file).flat()
      const clock = {}
      for (const { author, sequence } of values) clock[author] = sequence
      pull(pull.values(values), ssb.createWriteStream((error) => {
        if (error) return cb(error)
        reached.wait(clock, cb)
      }))
    },
    reached: ({ clock }, cb) => reached.wait(clock, cb),
    digest: ({ feed }, cb) => pull(
      ssb.createUserStream({ id: feed }),
      pull.collect((error, found) => error ? cb(error) : cb(null, digest(found)))
    ),
    newInvite: ({ uses }, cb) => ssb.invite.create({ uses }, cb),
    useInvite: ({ code }, cb) => ssb.invite.accept(code, (error) => cb(error)),
    ...blobs(ssb)
  }
  return { ssb, calls }
}

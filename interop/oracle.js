'use strict'

// Answers questions with the network's own modules: one JSON line in, one JSON
// line out, until the input ends. `tests/oracle` asks.

// What the modules log (unreadable secret files, for one) must not get between
// the answers.
console.log = console.warn = console.error = () => {}

const classic = require('ssb-classic/validation')
const keys = require('ssb-keys')
const validate = require('ssb-validate')

const pair = (seed) => keys.generate('ed25519', Buffer.alloc(32, seed))
const pairs = new Map()
const keyOf = (seed) => {
  if (!pairs.has(seed)) pairs.set(seed, pair(seed))
  return pairs.get(seed)
}

/** Words short enough to print, without halves of characters. */
const words = (text) => String(text).slice(0, 120).replace(/[\ud800-\udfff]/g, '?')

/** Runs `work`; what it throws is an answer, too. */
function attempt (work) {
  try {
    return { value: work() }
  } catch (error) {
    return { error: words(error && error.message) }
  }
}

/** The signature that the key with this seed gives the value in `text`. */
function signatureFor (text, seed, hmac) {
  const value = JSON.parse(text)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  delete value.signature
  return keys.signObj(keyOf(seed), hmac, value).signature.replace('.sig.ed25519', '')
}

/** A message is valid here when ssb-validate finds nothing and does not throw. */
function judge (text, hmac, state) {
  const found = attempt(() => {
    const message = JSON.parse(text)
    const fault = validate.checkInvalid(state, hmac, message)
    return fault ? { fault: fault.message } : { id: validate.id(message) }
  })
  if (found.error !== undefined) return { valid: false, why: found.error }
  if (found.value.fault) return { valid: false, why: words(found.value.fault) }
  return { valid: true, id: found.value.id }
}

/** One message of a test: signed first when it asks for that. */
function message (item) {
  const state = item.state && { id: item.state[0], sequence: item.state[1], timestamp: 1 }
  let text = item.text
  let signature = null
  if (item.seed !== undefined && item.seed !== null) {
    signature = attempt(() => signatureFor(text, item.seed, item.sign_hmac)).value || null
    const base = signature || 'A'.repeat(86) + '=='
    text = text.split('{SIG86}').join(base.slice(0, 86)).split('{SIG}').join(base)
  }
  return Object.assign({ signature }, judge(text, item.hmac, state))
}

const answers = {
  messages: ({ items }) => items.map(message),

  dataset: () =>
    require('ssb-validation-dataset').map((entry) => ({
      text: entry.message === undefined ? 'undefined' : JSON.stringify(entry.message),
      state: entry.state ? [entry.state.id, entry.state.sequence] : null,
      hmac: entry.hmacKey,
      valid: entry.valid,
      id: entry.valid ? entry.id : null
    })),

  // What the two validators of the network say of a whole feed, in order.
  feed: ({ texts, hmac }) => {
    let before = null
    return texts.map((text) => {
      const value = JSON.parse(text)
      const state = before && { id: validate.id(before), sequence: before.sequence, timestamp: 1 }
      const verdict = judge(text, hmac, state)
      classic.validate(value, before, hmac, (fault) => {
        verdict.classic = fault ? fault.message : null
      })
      before = value
      return verdict
    })
  },

  // A message as ssb-db would write it.
  create: ({ seed, hmac, state, content, timestamp }) => {
    const feed = state && { id: state[0], sequence: state[1], timestamp: 1, queue: [] }
    const value = validate.create(feed, keyOf(seed), hmac, JSON.parse(content), timestamp)
    return { text: JSON.stringify(value), id: validate.id(value) }
  },

  sign: ({ seed, hmac, text }) => signatureFor(text, seed, hmac),

  new_secret: ({ path }) => keys.createSync(path).id,

  // Whether a secret file gives keys here that can sign, and whose they are.
  load_secret: ({ path }) => {
    const loaded = attempt(() => {
      const own = keys.loadSync(path)
      const signed = keys.signObj(own, null, { a: 1 })
      return keys.verifyObj(own, null, signed) ? { id: own.id, public: own.public } : null
    })
    return loaded.value || null
  },

  box: ({ content, recipients }) => keys.box(JSON.parse(content), recipients),

  // For each text what the key opens it to, as JSON; null when it stays closed.
  unbox: ({ seed, texts }) =>
    texts.map((text) => {
      const opened = attempt(() => keys.unbox(text, keyOf(seed))).value
      return opened === undefined ? null : JSON.stringify(opened)
    })
}

function sodium () {
  try {
    return require('sodium-native') && 'native'
  } catch (error) {
    return 'javascript'
  }
}

const send = (value) => process.stdout.write(JSON.stringify(value) + '\n')

send({ sodium: sodium(), node: process.version })

function answer (line) {
  send(
    attempt(() => {
      const question = JSON.parse(line)
      return answers[question.ask](question)
    })
  )
}

// Lines are cut here: node's own reader also cuts at U+2028 and U+2029.
let pieces = []
process.stdin.on('data', (chunk) => {
  let from = 0
  for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
    pieces.push(chunk.subarray(from, at))
    answer(Buffer.concat(pieces).toString())
    pieces = []
    from = at + 1
  }
  pieces.push(chunk.subarray(from))
})

'use strict'
// Feeds, as both stacks deal with them here.

const crypto = require('crypto')
const fs = require('fs')

// Messages added in one go.
const MOST = 1000

// Messages from a file, one value a line, in runs of one author: what can be
// added in one go.
exports.messages = function messages (file) {
  const runs = []
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue
    const value = JSON.parse(line)
    const run = runs[runs.length - 1]
    if (run && run[0].author === value.author && run.length < MOST) run.push(value)
    else runs.push([value])
  }
  return runs
}

// A feed in two figures: its ids in order, hashed, say what it holds.
exports.digest = function digest (found) {
  found.sort((a, b) => a.value.sequence - b.value.sequence)
  const hash = crypto.createHash('sha256')
  found.forEach(({ key, value }, i) => {
    if (value.sequence !== i + 1) throw new Error(`${value.author} has ${value.sequence} at place ${i + 1}`)
    hash.update(key + '\n')
  })
  return { count: found.length, ids: hash.digest('base64') }
}

// Answers when the clock has come as far as was asked for.
exports.waiting = function waiting (ssb) {
  let open = []
  const saw = (author, sequence) => {
    for (const wish of open) {
      if (wish.clock.get(author) <= sequence) wish.clock.delete(author)
    }
    settle()
  }
  const settle = () => {
    const done = open.filter((wish) => wish.clock.size === 0)
    if (done.length === 0) return
    open = open.filter((wish) => wish.clock.size > 0)
    for (const wish of done) wish.cb(null, true)
  }
  const wait = (clock, cb) => {
    open.push({ clock: new Map(Object.entries(clock)), cb })
    // What was there before.
    ssb.getVectorClock((error, here) => {
      if (error) return cb(error)
      for (const [author, sequence] of Object.entries(here)) saw(author, sequence)
      settle()
    })
  }
  return { saw, wait }
}

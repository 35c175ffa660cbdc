'use strict'
// Blobs, alike in both stacks.

const crypto = require('crypto')
const fs = require('fs')
const pull = require('pull-stream')

module.exports = (ssb) => ({
  addBlob: ({ file }, cb) => pull(pull.once(fs.readFileSync(file)), ssb.blobs.add(cb)),
  // Wants blobs, all at once, until they are here.
  wantBlobs: ({ blobs }, cb) => {
    let left = blobs.length
    for (const { blob } of blobs) {
      ssb.blobs.want(blob, (error, has) => {
        if (left === 0) return
        if (error || !has) { left = 0; return cb(error || new Error('not to be had')) }
        if (--left === 0) cb(null, blobs.length)
      })
    }
  },
  // Wants a blob until it is there, and says what arrived.
  getBlob: ({ blob }, cb) => ssb.blobs.want(blob, (error, has) => {
    if (error || !has) return cb(error || new Error('not to be had'))
    pull(ssb.blobs.get(blob), pull.collect((error, chunks) => {
      if (error) return cb(error)
      const bytes = Buffer.concat(chunks)
      cb(null, { size: bytes.length, sha256: crypto.createHash('sha256').update(bytes).digest('base64') })
    }))
  })
})

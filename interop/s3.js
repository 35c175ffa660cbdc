'use strict'
// An S3-speaking server in a folder of its own: `node s3.js FOLDER BUCKET`. Prints
// {"port","key","secret"} when it is ready, and ends with its standard input.

const S3rver = require('s3rver')

const [directory, bucket] = process.argv.slice(2)
const server = new S3rver({
  address: '127.0.0.1',
  port: 0,
  silent: true,
  directory,
  configureBuckets: [{ name: bucket, configs: [] }]
})

server.run().then(({ port }) => {
  // The keys that s3rver knows are fixed.
  console.log(JSON.stringify({ port, key: 'S3RVER', secret: 'S3RVER' }))
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))

'use strict'
// An S3-speaking server in a folder of its own: `node s3.js FOLDER BUCKET`. Prints
// {"port","key","secret"} when it is ready, and ends with its standard input.
// s3rver takes any signature of version 4, so signed addresses are checked before it.

const crypto = require('crypto')
const http = require('http')
const S3rver = require('s3rver')

const KEY = 'S3RVER'
const SECRET = 'a secret of the tests'
const [directory, bucket] = process.argv.slice(2)

const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest()
const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase())

// Whether a request carries a sound signature of version 4 in its query.
function signed (req) {
  const url = new URL(req.url, 'http://' + req.headers.host)
  const query = url.searchParams
  const given = query.get('X-Amz-Signature')
  const credential = query.get('X-Amz-Credential') || ''
  const [key, ...scope] = credential.split('/')
  if (!given || key !== KEY || query.get('X-Amz-SignedHeaders') !== 'host') return false
  query.delete('X-Amz-Signature')
  const pairs = [...query].map(([name, value]) => encode(name) + '=' + encode(value)).sort()
  const canonical = [
    req.method, url.pathname, pairs.join('&'), 'host:' + req.headers.host, '', 'host', 'UNSIGNED-PAYLOAD'
  ].join('\n')
  const hash = crypto.createHash('sha256').update(canonical).digest('hex')
  const text = ['AWS4-HMAC-SHA256', query.get('X-Amz-Date'), scope.join('/'), hash].join('\n')
  const signing = scope.reduce(hmac, 'AWS4' + SECRET)
  return hmac(signing, text).toString('hex') === given
}

async function main () {
  const s3 = new S3rver({
    silent: true, directory, configureBuckets: [{ name: bucket, configs: [] }]
  })
  await s3.configureBuckets()
  const answer = s3.callback()
  const server = http.createServer((req, res) => {
    if (signed(req)) return answer(req, res)
    req.resume()
    res.writeHead(403).end()
  })
  server.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ port: server.address().port, key: KEY, secret: SECRET }))
  })
}

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
main()

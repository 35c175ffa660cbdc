'use strict'
// A room: it keeps no feeds, and joins those who are in it by tunnels.

const SecretStack = require('secret-stack')

module.exports = function room (config, settings) {
  const stack = SecretStack({ caps: settings.caps })
    .use(require('ssb-conn'))
    .use(require('ssb-room/tunnel/server'))
  const ssb = stack(settings)
  return { ssb, calls: {} }
}

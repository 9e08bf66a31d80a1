#!/usr/bin/env node
'use strict'

// Starts the program that came in the package for this machine, and ends as it ends.

const { spawn } = require('node:child_process')
const { constants } = require('node:os')

const machine = `${process.platform}-${process.arch}`
let program
try {
  program = require.resolve(`heirloom-${machine}/bin/heirloom`)
} catch {
  console.error(
    ['linux-x64', 'linux-arm64'].includes(machine)
      ? `heirloom: the package heirloom-${machine} is missing: install heirloom again, without --omit=optional`
      : `heirloom: there is no program for ${machine}: build it from the sources, or run the container image`,
  )
  process.exit(1)
}

const child = spawn(program, process.argv.slice(2), { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // A terminal tells both of Ctrl-C.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  })
}
child.on('error', (error) => {
  console.error(`heirloom: ${program} cannot be started: ${error.message}`)
  process.exit(1)
})
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))

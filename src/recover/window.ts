/** What is measured between two decisions of the controller. Nothing is allocated until a window closes. */
import type { Parameters } from './parameters.ts'

export interface Window {
  readonly seconds: number
  /** Operations that ended, well or not. */
  readonly ended: number
  readonly failed: number
  /** Work that succeeded, in units: a lease is one, a renewal a fraction. */
  readonly units: number
  /** The part of `units` that the strict classes took. */
  readonly strictUnits: number
  /** Share of the time in which there was as much to do as the limit allowed. */
  readonly saturation: number
  /** How long operations have been in flight, when it closed, without any of them ending. */
  readonly silentSeconds: number
  /** Of what ended, in ms; 0 if nothing did. */
  readonly meanLatencyMs: number
}

export interface Sofar extends Pick<Window, 'ended' | 'units'> {
  readonly elapsedMs: number
}

/** Something was asked a while ago, and nothing at all came back. */
export const isStalled = (window: Window, { stallMs }: Parameters): boolean =>
  window.ended === 0 && window.silentSeconds * 1000 >= stallMs

/** Units a second. */
export const throughput = (window: Window): number => (window.seconds > 0 ? window.units / window.seconds : 0)

/** Operations that succeeded, a second: what Little's law speaks of. */
export const succeeded = (window: Window): number =>
  window.seconds > 0 ? (window.ended - window.failed) / window.seconds : 0

export class WindowMeter {
  #openedAt: number
  #lastAt: number
  #isSaturated = false
  /** Since when something is in flight and nothing ended; undefined while nothing is. */
  #silentSince: number | undefined
  #saturatedMs = 0
  #ended = 0
  #failed = 0
  #units = 0
  #strictUnits = 0
  #latencySum = 0

  constructor(now: number) {
    this.#openedAt = now
    this.#lastAt = now
  }

  /** Of the window that is open. */
  sofar(now: number): Sofar {
    return { elapsedMs: now - this.#openedAt, ended: this.#ended, units: this.#units }
  }

  started(now: number): void {
    this.#silentSince ??= now
  }

  succeeded(units: number, isStrict: boolean, latencyMs: number): void {
    this.#ended++
    this.#units += units
    if (isStrict) this.#strictUnits += units
    this.#latencySum += latencyMs
  }

  failed(latencyMs: number): void {
    this.#ended++
    this.#failed++
    this.#latencySum += latencyMs
  }

  /** After each end: so many are still in flight. */
  left(inFlight: number, now: number): void {
    this.#silentSince = inFlight > 0 ? now : undefined
  }

  /** From `now` on it is so; until `now` it was as told before. A clock that goes back adds nothing. */
  saturated(isSaturated: boolean, now: number): void {
    if (this.#isSaturated && now > this.#lastAt) this.#saturatedMs += now - this.#lastAt
    this.#isSaturated = isSaturated
    this.#lastAt = now
  }

  /** Closes this window and opens the next. */
  close(now: number): Window {
    this.saturated(this.#isSaturated, now)
    const elapsed = Math.max(0, now - this.#openedAt)
    const window: Window = {
      seconds: elapsed / 1000,
      ended: this.#ended,
      failed: this.#failed,
      units: this.#units,
      strictUnits: this.#strictUnits,
      saturation: elapsed > 0 ? Math.min(1, this.#saturatedMs / elapsed) : 0,
      silentSeconds: this.#silentSince === undefined ? 0 : Math.max(0, now - this.#silentSince) / 1000,
      meanLatencyMs: this.#ended > 0 ? this.#latencySum / this.#ended : 0,
    }
    this.#openedAt = now
    this.#saturatedMs = 0
    this.#ended = 0
    this.#failed = 0
    this.#units = 0
    this.#strictUnits = 0
    this.#latencySum = 0
    return window
  }
}

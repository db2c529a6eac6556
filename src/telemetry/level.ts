/** How important an event is: `debug` is for those who look for something, and is not shown by itself. */
export type Level = 'debug' | 'info' | 'warn' | 'error'

import type { Store } from "./store.js";

/** One that was put to sleep is not waited for any longer: the server gives the same successor to both. */
const PATIENCE = 30_000;

/** The other tabs with this login: one at a time asks the server, and all are told. */
export function createTabs(id: string, { update }: Store, hear: (message: any) => void) {
  let last: Promise<unknown> = Promise.resolve();
  let channel: BroadcastChannel | undefined;
  // On a server there are no tabs, and a channel would keep the process alive.
  if (globalThis.location && globalThis.BroadcastChannel) {
    channel = new BroadcastChannel(id);
    channel.onmessage = ({ data }) => hear(data);
  }

  async function locked<T>(locks: LockManager, work: () => Promise<T>): Promise<T> {
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), PATIENCE);
    let begun = false;
    const begin = () => {
      begun = true;
      clearTimeout(timer);
      return work();
    };
    try {
      return await locks.request(id, { signal: patience.signal }, begin);
    } catch (error) {
      if (begun) throw error;
      return begin();
    }
  }

  /** What is kept says who is at work. */
  async function leased<T>(work: () => Promise<T>): Promise<T> {
    for (let isFree = false; !isFree; ) {
      await update((saved) => {
        const left = (saved.busy ?? 0) - Date.now();
        isFree = left <= 0 || left > PATIENCE;
        return isFree ? { ...saved, busy: Date.now() + PATIENCE } : undefined;
      });
      if (!isFree) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    try {
      return await work();
    } finally {
      await update(({ busy, ...rest }) => rest);
    }
  }

  return {
    tell: (message: unknown) => channel?.postMessage(message),

    /** Works while no other tab does. */
    exclusive<T>(work: () => Promise<T>): Promise<T> {
      const locks = globalThis.navigator?.locks;
      const turn = last.then(() => (locks ? locked(locks, work) : leased(work)));
      last = turn.catch(() => {});
      return turn;
    },
  };
}

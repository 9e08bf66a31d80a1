/** What the server gave. */
export interface Tokens {
  access: string;
  type: string;
  /** When it was got, and when it is to be replaced, by this machine's clock in milliseconds. */
  got: number;
  until: number;
  /** How far that clock was behind the server's then. */
  behind: number;
  /** Not here where a cookie has it. */
  refresh?: string;
}

/** All that is kept of a login. */
export interface Saved {
  key?: CryptoKeyPair | undefined;
  tokens?: Tokens | undefined;
  /** Nobody is signed in, and why; tokens beside it are those that the server was not told of yet. */
  out?: { reason: "logout" | "ended"; message?: string } | undefined;
  /** A tab asks the server, until then; where there are no Web Locks. */
  busy?: number;
}

export type Change = (saved: Saved) => Saved | void;

const LOGINS = "logins";

const settled = <T>(request: IDBRequest<T>) =>
  new Promise<T>((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** One login's record, in IndexedDB: for all tabs. Where there is none, in this tab's memory. */
export function createStore(id: string, inMemory: boolean) {
  let memory: Saved = {};
  let database: Promise<IDBDatabase> | undefined;

  async function open() {
    const request = indexedDB.open("heirloom", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(LOGINS);
    const opened = await settled(request);
    // Whoever deletes the database need not wait for this tab.
    opened.onversionchange = () => opened.close();
    return opened;
  }

  async function updateDatabase(change: Change) {
    const transaction = (await (database ??= open())).transaction(LOGINS, "readwrite");
    const done = new Promise<unknown>((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    done.catch(() => {});
    const logins = transaction.objectStore(LOGINS);
    const saved: Saved = (await settled(logins.get(id))) ?? {};
    const changed = change(saved);
    if (changed) logins.put(changed, id);
    await done;
    return changed ?? saved;
  }

  return {
    /** Whether other tabs do not see what is kept here. */
    isOwn: () => inMemory,

    /** Changes the record in one step, whatever other tabs do; gives what it is then. `change` may say nothing. */
    async update(change: Change): Promise<Saved> {
      for (let attempt = 0; !inMemory && attempt < 2; attempt++) {
        try {
          return (memory = await updateDatabase(change));
        } catch {
          // Some browsers lose a connection while they sleep, and some have no IndexedDB in private windows.
          database = undefined;
        }
      }
      inMemory = true;
      return (memory = change(memory) ?? memory);
    },
  };
}

export type Store = ReturnType<typeof createStore>;

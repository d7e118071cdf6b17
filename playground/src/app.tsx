import { useEffect, useRef, useState } from 'preact/hooks';
import { NAMES } from '../../docs/catalogue';
import { Agree } from './agree';
import { Explore } from './explore';
import { Learn } from './learn';
import { first, fromHash, toHash } from './link';
import { Own } from './own';
import type { View } from './protocol';

const TABS = ['Explore', 'Does my browser agree?', 'Learn', 'Bring your own'] as const;
type Tab = (typeof TABS)[number];
const idOf = (tab: Tab) => tab.toLowerCase().replace(/\W+/g, '-').replace(/-$/, '');

export function App() {
  const [view, setView] = useState<View>(() => fromHash(location.hash) ?? first('ditac'));
  const [tab, setTab] = useState<Tab>('Explore');
  const [file, setFile] = useState<File>();
  const timer = useRef<number>(undefined);

  useEffect(() => {
    // Browsers allow a hundred changes of the address in half a minute.
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => history.replaceState(null, '', toHash(view)), 400);
  }, [view]);
  useEffect(() => {
    const follow = () => {
      const next = fromHash(location.hash);
      if (next) setView(next);
    };
    const over = (event: DragEvent) => event.preventDefault();
    const drop = (event: DragEvent) => {
      event.preventDefault();
      const [dropped] = event.dataTransfer?.files ?? [];
      if (!dropped) return;
      setFile(dropped);
      setTab('Bring your own');
    };
    addEventListener('hashchange', follow);
    addEventListener('dragover', over);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('hashchange', follow);
      removeEventListener('dragover', over);
      removeEventListener('drop', drop);
    };
  }, []);

  const explore = (next: View) => {
    setView(next);
    setTab('Explore');
  };
  const press = (event: KeyboardEvent) => {
    const at = TABS.indexOf(tab);
    const last = TABS.length - 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at + last, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = TABS[to % TABS.length]!;
    setTab(next);
    document.getElementById(`tab-${idOf(next)}`)?.focus();
  };

  return (
    <>
      <header class="top">
        <h1>
          ditac <span>playground</span>
        </h1>
        <div role="tablist" aria-label="What to do" onKeyDown={press}>
          {TABS.map((each) => (
            <button
              type="button"
              role="tab"
              key={each}
              id={`tab-${idOf(each)}`}
              aria-selected={each === tab}
              aria-controls={`panel-${idOf(each)}`}
              tabIndex={each === tab ? 0 : -1}
              onClick={() => setTab(each)}
            >
              {each}
            </button>
          ))}
        </div>
      </header>
      <main>
        <div id={`panel-${idOf(tab)}`} role="tabpanel" aria-labelledby={`tab-${idOf(tab)}`}>
          {tab === 'Explore' && <Explore view={view} onView={setView} />}
          {tab === 'Does my browser agree?' && <Agree view={view} name={NAMES[view.family]} />}
          {tab === 'Learn' && <Learn view={view} onView={explore} />}
          {tab === 'Bring your own' && <Own file={file} view={view} onFile={setFile} onView={explore} />}
        </div>
      </main>
    </>
  );
}

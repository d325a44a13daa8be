// The page: GraphiQL when a token is at hand, else a box that asks for one.

import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./page.css";

import { GraphiQL } from "graphiql";
import { useEffect, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";

import { keepToken, readToken, takeFragment } from "./session.js";
import { editorStorage, openingTabs } from "./tabs.js";
import { createFetcher } from "./transport.js";
import { TokenBox } from "./token-box.jsx";

const REFUSED = "The server did not accept the token: it may be mistyped, expired or revoked.";

// Monaco rejects what it has not finished when an editor closes: no failure, and nobody is there to catch it.
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "Canceled") event.preventDefault();
});

/** Draws the page into `root`, opening the query of `link` ({query, variables} or null). */
export function render(root, link) {
  createRoot(root).render(<Page link={link} />);
}

function Page({ link }) {
  // A new visit remounts the editor: it reads schema and opening tabs only once.
  const [visit, setVisit] = useState({ number: 0, link, token: readToken(), problem: null });

  function start(changes) {
    setVisit((last) => ({ ...last, ...changes, number: last.number + 1 }));
  }

  function signIn(token) {
    keepToken(token);
    start({ token, problem: null });
  }

  function signOut(problem) {
    keepToken(null);
    start({ token: null, problem });
  }

  useEffect(() => {
    // A link followed from an open page changes the fragment only and loads nothing.
    function onHashChange() {
      const opened = takeFragment();
      start({ link: opened, token: readToken(), problem: null });
    }
    addEventListener("hashchange", onHashChange);
    return () => removeEventListener("hashchange", onHashChange);
  }, []);

  if (visit.token === null) return <TokenBox problem={visit.problem} onToken={signIn} />;
  return <Editor key={visit.number} token={visit.token} link={visit.link} onSignOut={signOut} />;
}

function Editor({ token, link, onSignOut }) {
  const fetcher = useMemo(() => createFetcher(token, () => onSignOut(REFUSED)), [token]);
  const opening = useMemo(() => openingTabs(link), [link]);
  const version = document.querySelector("meta[name=registry-version]").content;
  return (
    <GraphiQL
      {...opening}
      fetcher={fetcher}
      storage={editorStorage}
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
      defaultEditorToolsVisibility={Boolean(opening.initialVariables)}
    >
      <GraphiQL.Logo>
        <span className="registry-name">Model Registry {version}</span>
        <button type="button" className="registry-sign-out" onClick={() => onSignOut(null)}>
          Change token
        </button>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

// The box that asks for an access token.

/** `problem` is a sentence on why the last token is gone, or null; `onToken` gets what was typed, trimmed. */
export function TokenBox({ problem, onToken }) {
  function submit(event) {
    event.preventDefault();
    const token = new FormData(event.target).get("token").trim();
    if (token) onToken(token);
  }

  return (
    <main className="token-box">
      <form onSubmit={submit}>
        <h1>Model Registry</h1>
        {problem && <p role="alert">{problem}</p>}
        <label htmlFor="token">Access token</label>
        <input id="token" name="token" type="password" autoComplete="off" spellCheck="false" placeholder="mrgp_…" autoFocus />
        <button type="submit">Open</button>
        <p>
          Make a token with <code>make token</code> in the source folder, or with <code>registry token create</code> where
          the server is installed. It stays in this browser tab and is forgotten when the tab closes.
        </p>
      </form>
    </main>
  );
}

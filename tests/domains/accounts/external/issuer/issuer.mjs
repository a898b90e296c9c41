// A real provider of OpenID Connect on loopback, for tests: whoever comes is signed in as the `login_hint` says.
// Reads its private keys as a JWKS from standard input, one set a line; each further line rotates them.
// Writes the port it listens on, then a line for each rotation.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const client = (id, extra) => ({
  client_id: id,
  client_secret: `the secret of ${id}`,
  redirect_uris: ["http://127.0.0.1:9/back"],
  response_types: ["code"],
  grant_types: ["authorization_code"],
  ...extra,
});

const configuration = (jwks) => ({
  jwks,
  clients: [
    client("overworld"),
    client("posting", { token_endpoint_auth_method: "client_secret_post" }),
    client("public", { client_secret: undefined, token_endpoint_auth_method: "none" }),
    client("elliptic", { id_token_signed_response_alg: "ES256" }),
  ],
  cookies: { keys: ["a key for tests"] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const { client, session, provider } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope("openid");
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 60 },
});

let provider;
let answer;

const server = createServer(async (request, reply) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, reply);
  const { params } = await provider.interactionDetails(request, reply);
  await provider.interactionFinished(request, reply, { login: { accountId: params.login_hint } });
});

const rotate = (jwks) => {
  provider = new Provider(`http://127.0.0.1:${server.address().port}`, configuration(jwks));
  answer = provider.callback();
};

server.listen(0, "127.0.0.1", async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    rotate(JSON.parse(line));
    process.stdout.write(`${server.address().port}\n`);
  }
  process.exit(0);
});

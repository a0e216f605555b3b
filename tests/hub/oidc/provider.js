// A real OpenID Connect provider for tests, on loopback: any password, groups as the arguments say.
// node provider.js PORT CALLBACK '{"user": ["group"]}'
import Provider from 'oidc-provider';

const [port, callback, groups] = process.argv.slice(2);
const members = JSON.parse(groups);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'hub', client_secret: process.env.CLIENT_SECRET, redirect_uris: [callback] }],
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  cookies: { keys: ['of-a-test'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, groups: members[id] ?? [] }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));

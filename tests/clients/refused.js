// What Cohere's and OpenAI's own clients make of a refusal: `node refused.js URL KEY MODEL`. Prints it as JSON, by call.
import { CohereClient, CohereClientV2 } from "cohere-ai";
import OpenAI from "openai";

const [url, key, model] = process.argv.slice(2);
const options = { token: key, environment: url, maxRetries: 0 };
const ask = { model, query: "capital of France", documents: ["Bananas are yellow.", "Paris is the capital of France."] };
const calls = {
  CohereClient: () => new CohereClient(options).rerank(ask),
  CohereClientV2: () => new CohereClientV2(options).rerank(ask),
  OpenAI: () => new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 }).embeddings.create({ model, input: "a" }),
};
const found = {};

for (const [name, call] of Object.entries(calls)) {
  try {
    await call();
  } catch (error) {
    found[name] = [error.constructor.name, error.statusCode ?? error.status, error.message];
  }
}
console.log(JSON.stringify(found));
